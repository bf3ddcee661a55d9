//! The handle on a reactor, and the right to drive it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_task::Task;

use crate::executor;
use crate::panics::contain;
use crate::shared::{DriverState, Shared};
use crate::sync::{MutexGuard, yield_now};
use crate::timer::Sleep;

/// Tasks polled between two looks at the clock.
const CLOCK_EVERY: usize = 8;
/// Tasks that a standby polls between two looks at the poller.
const STANDBY_TASKS: usize = 256;

/// Sockets, timers and tasks behind one descriptor; a cheap handle, clones mean the same reactor.
///
/// The descriptor ([`AsFd`]) is readable if and only if somebody has to turn the reactor, and is for watching only.
///
/// In a child forked from the process that made it, it does nothing: turns are idle, timers never fire, and wakes and
/// closed sockets leave the parent's descriptors alone. Such a child makes a reactor of its own.
#[derive(Clone)]
pub struct Reactor {
    shared: Arc<Shared>,
}

impl Reactor {
    /// Makes a reactor, which takes three descriptors (all close-on-exec).
    ///
    /// # Errors
    ///
    /// The system's, when the process or the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { shared: Arc::new(Shared::new()?) })
    }

    /// Makes a task of a future, from any thread. It runs in somebody's turn; dropping the [`Task`] cancels it, and
    /// [`Task::detach`] lets it go on alone.
    ///
    /// If it panics it is dropped and the panic logged as a bug; whoever awaits its `Task` then panics too.
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        executor::spawn(&self.shared, future)
    }

    /// A future that is ready after `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::after(&self.shared, duration)
    }

    /// A future that is ready at `deadline`.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::until(&self.shared, deadline)
    }

    /// What `future` comes to if it does within `time`, otherwise `None`.
    ///
    /// # Cancel safety
    ///
    /// That of `future`, which is dropped once its time is over.
    pub async fn within<F: Future>(&self, time: Duration, future: F) -> Option<F::Output> {
        let (mut future, mut sleep) = (pin!(future), self.sleep(time));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| None),
        })
        .await
    }

    /// Takes the right to drive. If another thread has it, asks for it and waits until that thread has given it back,
    /// which a standby does after the task it is in.
    ///
    /// Not to be called inside a task, nor by a thread that has the right already: that thread would wait for itself.
    pub fn driver(&self) -> Driver<'_> {
        let state = self.shared.is_ours().then(|| self.shared.lock_driver());
        Driver::begin(&self.shared, state)
    }

    /// Takes the right to drive if nobody has it.
    pub fn try_driver(&self) -> Option<Driver<'_>> {
        if !self.shared.is_ours() {
            return None;
        }
        let state = self.shared.driver.try_lock()?;
        Some(Driver::begin(&self.shared, Some(state)))
    }

    /// Promises that this thread turns the reactor again before it sleeps, so that what is woken meanwhile need not make
    /// the descriptor readable. When the last such promise ends with something runnable, the descriptor becomes readable.
    pub fn attend(&self) -> Attend<'_> {
        if self.shared.is_ours() {
            self.shared.executor.attend();
        }
        Attend { shared: &self.shared }
    }

    /// Whether a thread waits in [`driver`](Self::driver) for whoever drives now.
    pub fn give_back_requested(&self) -> bool {
        self.shared.wanted()
    }

    /// Makes a driver that sleeps in [`Driver::run_until_asked`] look at its stop condition.
    pub fn interrupt(&self) {
        if self.shared.is_ours() {
            self.shared.notify(self.shared.executor.interrupt());
        }
    }

    /// Whether this is the process that the reactor was made in, and not a child forked from it. As cheap as a load.
    pub fn is_ours(&self) -> bool {
        self.shared.is_ours()
    }

    /// How many tasks are scheduled and not polled.
    pub fn runnable(&self) -> usize {
        if self.shared.is_ours() { self.shared.executor.runnable() } else { 0 }
    }

    /// Drops every task, finished or not, and refuses new ones: their `Task` is cancelled. Sockets and timers owned
    /// elsewhere stay usable. Without it, tasks that wait for something keep the reactor alive when its handles are gone.
    ///
    /// Not to be called inside a task (see [`driver`](Self::driver)).
    pub fn close(&self) {
        let driver = self.driver();
        if driver.guard.is_none() {
            return;
        }
        for waker in self.shared.executor.close() {
            waker.wake();
        }
        loop {
            match self.shared.executor.pop() {
                Ok(runnable) => drop(runnable),
                // Another thread is about to queue a task that it has woken, or to drop one that was refused.
                Err(true) => yield_now(),
                Err(false) => return,
            }
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.poller.as_fd()
    }
}

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("fd", &self.as_raw_fd()).finish_non_exhaustive()
    }
}

/// How much one turn may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tasks polled.
    pub tasks: usize,
    /// Time used; looked at between tasks.
    pub time: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tasks: 512, time: Duration::from_millis(5) }
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing is runnable: the descriptor tells when there is more to do.
    Idle,
    /// The budget is used and something is still runnable: turn again, or drop the [`Driver`] with nobody attending,
    /// which makes the descriptor readable.
    Spent,
}

/// What is left of a budget.
struct Allowance {
    tasks: usize,
    time: Duration,
    start: Option<Instant>,
}

impl Allowance {
    fn new(budget: Budget) -> Self {
        Self { tasks: budget.tasks, time: budget.time, start: None }
    }

    /// Counts a task; true if none may follow.
    fn spend(&mut self) -> bool {
        self.tasks = self.tasks.saturating_sub(1);
        self.tasks == 0 || (self.tasks.is_multiple_of(CLOCK_EVERY) && self.late())
    }

    fn late(&mut self) -> bool {
        match self.start {
            None => {
                self.start = Some(Instant::now());
                self.time.is_zero()
            }
            Some(start) => start.elapsed() >= self.time,
        }
    }
}

/// The exclusive right to drive a reactor, given back when dropped.
///
/// If something is runnable then and nobody attends or waits for the right, the descriptor becomes readable.
pub struct Driver<'a> {
    shared: &'a Arc<Shared>,
    /// None in a forked child, which drives nothing; see [`state`](Self::state) for one forked later.
    guard: Option<MutexGuard<'a, DriverState>>,
}

impl<'a> Driver<'a> {
    fn begin(shared: &'a Arc<Shared>, guard: Option<MutexGuard<'a, DriverState>>) -> Self {
        if guard.is_some() {
            shared.executor.begin();
        }
        Self { shared, guard }
    }

    /// What it drives with; nothing where the right was inherited by a fork.
    fn state(&mut self) -> Option<&mut DriverState> {
        self.guard.as_deref_mut().filter(|_| self.shared.is_ours())
    }

    /// Passes, one after the other, until the poller has nothing that wakes a task or the budget is used. It looks at the
    /// poller at least once.
    pub fn turn(&mut self, budget: Budget) -> Turn {
        let mut allowance = Allowance::new(budget);
        allowance.late();
        loop {
            match self.step(&mut allowance) {
                Step::Idle => return Turn::Idle,
                Step::More => {}
                Step::Spent => return Turn::Spent,
            }
        }
    }

    /// Polls the tasks that are runnable, looks once at the poller without blocking, fires timers, and polls what that
    /// woke. For an outer loop that has work of its own between two passes; [`Turn::Spent`] says that another may find more.
    pub fn pass(&mut self, budget: Budget) -> Turn {
        let mut allowance = Allowance::new(budget);
        allowance.late();
        match self.step(&mut allowance) {
            Step::Idle => Turn::Idle,
            Step::More | Step::Spent => Turn::Spent,
        }
    }

    fn step(&mut self, allowance: &mut Allowance) -> Step {
        let before = self.run(allowance, false);
        // Even if the budget is used: tasks that are always runnable must not keep those that wait for sockets and timers
        // from it.
        self.poll(false);
        match before {
            Ran::Some => Step::Spent,
            Ran::Nothing | Ran::All => match self.run(allowance, false) {
                Ran::Nothing => Step::Idle,
                Ran::All => Step::More,
                Ran::Some => Step::Spent,
            },
        }
    }

    /// Polls the tasks that are runnable, and those they wake, without a look at the poller: a turn without a system
    /// call of its own, for what was woken by the caller just now.
    pub fn flush(&mut self, budget: Budget) -> Turn {
        let mut allowance = Allowance::new(budget);
        allowance.late();
        match self.run(&mut allowance, false) {
            Ran::Nothing | Ran::All => Turn::Idle,
            Ran::Some => Turn::Spent,
        }
    }

    /// Drives, and sleeps in the poller when nothing is runnable, until another thread asks for the right to drive or
    /// `stop` says so. `stop` is looked at after each batch of tasks and each sleep, see [`Reactor::interrupt`].
    pub fn run_until_asked(&mut self, stop: impl Fn() -> bool) {
        if self.state().is_none() {
            return;
        }
        loop {
            let mut allowance = Allowance::new(Budget { tasks: STANDBY_TASKS, time: Duration::MAX });
            self.run(&mut allowance, true);
            if self.shared.wanted() || stop() {
                return;
            }
            let block = self.shared.executor.park();
            if !self.poll(block) {
                return;
            }
        }
    }

    /// Looks at the poller and wakes what waited for what it reports; false if that failed.
    fn poll(&mut self, block: bool) -> bool {
        let shared = self.shared;
        let Some(state) = self.state() else { return false };
        let waited = shared.poller.wait(&mut state.events, block);
        shared.executor.waited();
        if let Err(error) = waited {
            tracing::error!(%error, "bug: the reactor could not look at its poller");
            return false;
        }
        if shared.sources.dispatch(state.events.iter(), &mut state.wakers) {
            shared.timers.fire(&shared.poller, &mut state.wakers);
        }
        for waker in state.wakers.drain(..) {
            // Edges are reported once: whoever is not woken now waits for ever.
            contain("a waker panicked; what it would have woken is lost", || waker.wake());
        }
        true
    }

    /// Polls tasks until none is runnable, the allowance is used, or (if `polite`) another thread wants to drive.
    fn run(&mut self, allowance: &mut Allowance, polite: bool) -> Ran {
        let shared = self.shared;
        let Some(state) = self.state() else { return Ran::Nothing };
        let executor = &shared.executor;
        let mut ran = Ran::Nothing;
        while executor.take(&mut state.batch) {
            ran = Ran::All;
            while let Some(runnable) = state.batch.pop_front() {
                executor.count_batch(state.batch.len());
                executor::run(runnable);
                if allowance.spend() || (polite && shared.wanted()) {
                    return if executor.put_back(&mut state.batch) { Ran::Some } else { Ran::All };
                }
            }
        }
        ran
    }
}

/// How a look at the poller, with what ran before and after it, ended.
enum Step {
    /// The poller had nothing, and nothing is runnable.
    Idle,
    /// What the poller had has run; it may have more by now.
    More,
    /// The budget is used, and something is still runnable.
    Spent,
}

/// What a run did.
enum Ran {
    /// Nothing was runnable.
    Nothing,
    /// Something ran, and nothing is runnable now.
    All,
    /// Something ran, and something is still runnable.
    Some,
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if !self.shared.is_ours() {
            // To unlock would be to look for waiting threads, which are the parent's.
            std::mem::forget(self.guard.take());
        } else if self.guard.is_some() {
            // Before the mutex is let go of, so that it cannot undo what a successor says of itself.
            self.shared.notify(self.shared.executor.end(self.shared.wanted()));
        }
    }
}

impl fmt::Debug for Driver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

/// A promise to turn the reactor before this thread sleeps; see [`Reactor::attend`].
#[must_use = "the promise lasts as long as the guard"]
pub struct Attend<'a> {
    shared: &'a Arc<Shared>,
}

impl Drop for Attend<'_> {
    fn drop(&mut self) {
        if self.shared.is_ours() {
            self.shared.notify(self.shared.executor.neglect());
        }
    }
}

impl fmt::Debug for Attend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attend").finish_non_exhaustive()
    }
}
