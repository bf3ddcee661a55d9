//! Timers: a wheel of deadlines, and one timerfd armed to the earliest.
//!
//! Server timeouts are made and dropped by the thousand and hardly ever run out, so what is cheap is making, resetting
//! and dropping: a [`Sleep`] that was never polled is in no queue, one that is put off stays where it is until its old
//! deadline passes, and dropping one costs no system call. The timerfd is set only when a deadline comes before all others.
//!
//! They are kept to the millisecond, rounded up: never early, and not for anything finer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::poller::Poller;
use crate::shared::Shared;
use crate::sync::Mutex;
use crate::wheel::{Entry, Wheel};

/// What a wait longer than the clock can tell becomes.
const FOR_EVER: Duration = Duration::from_hours(30 * 365 * 24);

/// The deadlines that somebody waits for.
#[derive(Debug)]
pub(crate) struct Timers {
    queue: Mutex<Queue>,
    /// The beginning of tick 0; a tick is a millisecond.
    origin: Instant,
}

#[derive(Debug, Default)]
struct Queue {
    wheel: Wheel<Waker>,
    /// When the timerfd runs out; none while it is not armed.
    armed: Option<u64>,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::default(), origin: Instant::now() }
    }

    /// The first tick that does not begin before `deadline`.
    fn tick(&self, deadline: Instant) -> u64 {
        let after = deadline.saturating_duration_since(self.origin);
        let rest = u64::from(!after.subsec_nanos().is_multiple_of(1_000_000));
        after.as_secs().saturating_mul(1000).saturating_add(u64::from(after.subsec_millis()) + rest)
    }

    /// Wakes `waker` at `deadline`, or when the `entry` is due which it has already: that is never later.
    fn wait(&self, poller: &Poller, entry: Option<Entry>, deadline: Instant, waker: &Waker) -> Entry {
        let mut queue = self.queue.lock();
        let mut replaced = None;
        let entry = entry
            .filter(|entry| queue.refresh(*entry, waker, &mut replaced))
            .unwrap_or_else(|| self.insert(&mut queue, poller, self.tick(deadline), waker.clone()));
        drop(queue);
        // Dropped only here: the last waker of a task drops its future, which may hold a Sleep.
        drop(replaced);
        entry
    }

    /// Moves `entry` to `deadline`, if it still waits and for a later one.
    fn advance(&self, poller: &Poller, entry: Entry, deadline: Instant) -> Option<Entry> {
        let tick = self.tick(deadline);
        let mut queue = self.queue.lock();
        let (_, current) = queue.wheel.get_mut(entry)?;
        if current <= tick {
            return Some(entry);
        }
        let waker = queue.wheel.remove(entry)?;
        Some(self.insert(&mut queue, poller, tick, waker))
    }

    fn cancel(&self, entry: Entry) {
        let waker = self.queue.lock().wheel.remove(entry);
        drop(waker);
    }

    /// The timerfd ran out: hands over the wakers that are due, and arms it for the next.
    pub(crate) fn fire(&self, poller: &Poller, wakers: &mut Vec<Waker>) {
        let elapsed = self.origin.elapsed();
        let present =
            elapsed.as_secs().saturating_mul(1000).saturating_add(u64::from(elapsed.subsec_millis()));
        let mut queue = self.queue.lock();
        queue.wheel.advance(present, |waker| wakers.push(waker));
        queue.armed = None;
        if let Some(next) = queue.wheel.next() {
            self.arm(&mut queue, poller, next);
        }
    }

    fn insert(&self, queue: &mut Queue, poller: &Poller, tick: u64, waker: Waker) -> Entry {
        let (entry, tick) = queue.wheel.insert(tick, waker);
        if queue.armed.is_none_or(|armed| tick < armed) {
            self.arm(queue, poller, tick);
        }
        entry
    }

    /// Sets the timerfd, under the mutex so that two threads cannot set it in the wrong order.
    fn arm(&self, queue: &mut Queue, poller: &Poller, tick: u64) {
        let after = Duration::from_millis(tick).saturating_sub(self.origin.elapsed());
        match poller.arm(after) {
            Ok(()) => queue.armed = Some(tick),
            Err(error) => {
                tracing::error!(%error, "bug: the reactor's timer could not be set; timeouts are late");
            }
        }
    }
}

impl Queue {
    /// Has `entry` wake `waker`; false if it does not wait any more.
    fn refresh(&mut self, entry: Entry, waker: &Waker, replaced: &mut Option<Waker>) -> bool {
        let Some((current, _)) = self.wheel.get_mut(entry) else { return false };
        if !current.will_wake(waker) {
            *replaced = Some(std::mem::replace(current, waker.clone()));
        }
        true
    }
}

/// A future that is ready at an instant; made by [`Reactor::sleep`](crate::Reactor::sleep).
///
/// # Cancel safety
///
/// It may be dropped at any time, and polled again after a [`reset`](Self::reset).
pub struct Sleep {
    shared: Arc<Shared>,
    deadline: Instant,
    entry: Option<Entry>,
}

impl Sleep {
    pub(crate) fn after(shared: &Arc<Shared>, duration: Duration) -> Self {
        let now = Instant::now();
        let deadline = now.checked_add(duration).unwrap_or_else(|| now + FOR_EVER);
        Self::until(shared, deadline)
    }

    pub(crate) fn until(shared: &Arc<Shared>, deadline: Instant) -> Self {
        Self { shared: Arc::clone(shared), deadline, entry: None }
    }

    /// When it is ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Changes when it is ready. Whoever polled it last is woken for the new deadline; a later one costs nothing but,
    /// at the old deadline, a wake that finds it not ready.
    pub fn reset(&mut self, deadline: Instant) {
        let before = std::mem::replace(&mut self.deadline, deadline);
        if let Some(entry) = self.entry
            && deadline < before
            && self.shared.is_ours()
        {
            self.entry = self.shared.timers.advance(&self.shared.poller, entry, deadline);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if !this.shared.is_ours() {
            return Poll::Pending;
        }
        if Instant::now() >= this.deadline {
            if let Some(entry) = this.entry.take() {
                this.shared.timers.cancel(entry);
            }
            return Poll::Ready(());
        }
        let shared = &this.shared;
        this.entry =
            Some(shared.timers.wait(&shared.poller, this.entry.take(), this.deadline, context.waker()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(entry) = self.entry
            && self.shared.is_ours()
        {
            self.shared.timers.cancel(entry);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
