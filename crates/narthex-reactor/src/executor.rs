//! The queue of what is runnable, exactly counted, and the decision when a wake has to make the descriptor readable.
//!
//! All of it is behind one mutex, held for a few instructions and never across a task, a waker or a system call.
//!
//! A wake notifies the poller if the driver is parked in a blocking wait, or if nobody drives and nobody attends; but
//! not while an earlier notification is still to be seen. In every other case there is a thread that looks at the queue
//! before it sleeps: a driver takes the mutex to leave or to park, and finds what was pushed before.
//!
//! It is not a scheduler: first in, first out, on whatever thread drives.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use async_task::{Runnable, Task};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use slab::Slab;

use crate::shared::Shared;

/// The runnable tasks and who looks after them.
#[derive(Debug, Default)]
pub(crate) struct Executor {
    state: Mutex<State>,
    /// How many of the batch a driver took from the queue are still to be polled.
    in_batch: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Runnable>,
    /// A waker of each task that is not finished, so that [`Executor::close`] can reach it.
    alive: Slab<Option<Waker>>,
    drive: Drive,
    /// The poller was notified and no wait has ended since.
    notified: bool,
    /// A driver that wants to park has to look around first.
    interrupted: bool,
    /// How many threads promised to turn before they sleep.
    attended: usize,
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Drive {
    /// No thread has the right to drive.
    #[default]
    Nobody,
    /// One has it and looks at the queue again before it leaves or parks.
    Running,
    /// One has it and is in, or just before, a wait that blocks.
    Parked,
}

/// Whether the caller has to notify the poller, once it has let go of the mutex.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notify(pub(crate) bool);

impl State {
    /// Decides for a task that is in the queue now.
    fn pushed(&mut self) -> Notify {
        let asleep = match self.drive {
            Drive::Nobody => self.attended == 0,
            Drive::Running => false,
            Drive::Parked => true,
        };
        let notify = asleep && !self.notified;
        self.notified |= notify;
        Notify(notify)
    }

    /// Decides for one who leaves, with whatever is in the queue.
    fn left(&mut self) -> Notify {
        if self.queue.is_empty() { Notify(false) } else { self.pushed() }
    }
}

impl Executor {
    /// Queues a task that was woken.
    pub(crate) fn push(&self, runnable: Runnable) -> Notify {
        let mut state = self.state.lock();
        state.queue.push_back(runnable);
        state.pushed()
    }

    /// How many tasks are scheduled and not polled.
    pub(crate) fn runnable(&self) -> usize {
        let state = self.state.lock();
        state.queue.len() + self.in_batch.load(Ordering::Relaxed)
    }

    /// Moves the whole queue into the empty `batch`; false if there was nothing in it.
    pub(crate) fn take(&self, batch: &mut VecDeque<Runnable>) -> bool {
        let mut state = self.state.lock();
        std::mem::swap(&mut state.queue, batch);
        self.in_batch.store(batch.len(), Ordering::Relaxed);
        !batch.is_empty()
    }

    /// Says that `left` tasks of the batch are still to be polled.
    pub(crate) fn count_batch(&self, left: usize) {
        self.in_batch.store(left, Ordering::Relaxed);
    }

    /// Puts what is left of a batch back to the head of the queue; true if something is runnable then.
    pub(crate) fn put_back(&self, batch: &mut VecDeque<Runnable>) -> bool {
        let mut state = self.state.lock();
        if !batch.is_empty() {
            batch.append(&mut state.queue);
            std::mem::swap(&mut state.queue, batch);
        }
        self.in_batch.store(0, Ordering::Relaxed);
        !state.queue.is_empty()
    }

    /// A thread has the right to drive.
    pub(crate) fn begin(&self) {
        self.state.lock().drive = Drive::Running;
    }

    /// The thread that drove stops doing so; `successor` says that another one waits to go on.
    pub(crate) fn end(&self, successor: bool) -> Notify {
        let mut state = self.state.lock();
        state.drive = Drive::Nobody;
        if successor { Notify(false) } else { state.left() }
    }

    /// A wait begins that blocks, unless something is runnable, `wanted` elsewhere, or an interrupt was asked for.
    pub(crate) fn park(&self, wanted: impl FnOnce() -> bool) -> bool {
        let mut state = self.state.lock();
        let interrupted = std::mem::take(&mut state.interrupted);
        let park = !interrupted && state.queue.is_empty() && !wanted();
        if park {
            state.drive = Drive::Parked;
        }
        park
    }

    /// A wait is over, and with it a notification.
    pub(crate) fn waited(&self) {
        let mut state = self.state.lock();
        state.drive = Drive::Running;
        state.notified = false;
    }

    /// Makes a driver that is parked, or about to be, look around.
    pub(crate) fn interrupt(&self) -> Notify {
        let mut state = self.state.lock();
        state.interrupted = true;
        let notify = state.drive == Drive::Parked && !state.notified;
        state.notified |= notify;
        Notify(notify)
    }

    /// A thread promises to turn before it sleeps.
    pub(crate) fn attend(&self) {
        self.state.lock().attended += 1;
    }

    /// That promise ends.
    pub(crate) fn neglect(&self) -> Notify {
        let mut state = self.state.lock();
        state.attended -= 1;
        if state.drive == Drive::Nobody { state.left() } else { Notify(false) }
    }

    /// Refuses tasks from now on and gives a waker for each that is alive.
    pub(crate) fn close(&self) -> Vec<Waker> {
        let mut state = self.state.lock();
        state.closed = true;
        state.alive.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
    }

    /// Takes one task, to drop it.
    pub(crate) fn pop(&self) -> Option<Runnable> {
        self.state.lock().queue.pop_front()
    }

    fn enlist(&self) -> usize {
        self.state.lock().alive.insert(None)
    }

    /// Queues a new task, or gives it back if the executor is closed.
    fn launch(&self, place: usize, runnable: Runnable) -> Result<Notify, Runnable> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(runnable);
        }
        if let Some(waker) = state.alive.get_mut(place) {
            *waker = Some(runnable.waker());
        }
        state.queue.push_back(runnable);
        Ok(state.pushed())
    }
}

/// Makes a task of a future and queues it.
pub(crate) fn spawn<F>(shared: &Arc<Shared>, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if !shared.is_ours() {
        // In a forked child: the task is cancelled from the start.
        return async_task::spawn(future, drop).1;
    }
    let place = shared.executor.enlist();
    let future = Listed { future, _place: Place { shared: Arc::clone(shared), place } };
    let scheduler = Arc::clone(shared);
    let (runnable, task) = async_task::spawn(future, move |runnable| scheduler.schedule(runnable));
    match shared.executor.launch(place, runnable) {
        Ok(notify) => shared.notify(notify),
        // Dropped here, outside the mutex: that drops the future.
        Err(refused) => drop(refused),
    }
    task
}

/// Polls a task. A panic ends that task alone: its future is dropped while unwinding.
pub(crate) fn run(runnable: Runnable) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runnable.run())) {
        let message = panic
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("(the panic carried no text)");
        tracing::error!(
            panic = message,
            "bug: a task of the reactor panicked and was dropped; the others go on"
        );
    }
}

pin_project! {
    /// A task's future, which has a place in the list of those alive as long as it exists.
    struct Listed<F> {
        #[pin]
        future: F,
        _place: Place,
    }
}

impl<F: Future> Future for Listed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(context)
    }
}

struct Place {
    shared: Arc<Shared>,
    place: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.shared.is_ours() {
            // The waker is dropped outside the mutex.
            let waker = self.shared.executor.state.lock().alive.try_remove(self.place);
            drop(waker);
        }
    }
}
