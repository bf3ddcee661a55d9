//! The runnable tasks, exactly counted.
//!
//! All of it is behind one mutex, held for a few instructions and never across a task, a waker or a system call; what is
//! decided under it is the wake-up `protocol`'s.
//!
//! It is not a scheduler: first in, first out, on whatever thread drives.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_task::{Runnable, Task};
use pin_project_lite::pin_project;
use slab::Slab;

use crate::panics::contain;
use crate::protocol::{Notify, Protocol};
use crate::shared::Shared;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// The runnable tasks and who looks after them.
#[derive(Debug, Default)]
pub(crate) struct Executor {
    state: Mutex<State>,
    /// How many of the batch a driver took from the queue are still to be polled.
    in_batch: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    protocol: Protocol<Runnable>,
    /// A waker of each task that is not finished, so that [`Executor::close`] can reach it.
    alive: Slab<Option<Waker>>,
    closed: bool,
}

impl Executor {
    /// Queues a task that was woken.
    pub(crate) fn push(&self, runnable: Runnable) -> Notify {
        self.state.lock().protocol.push(runnable)
    }

    /// How many tasks are scheduled and not polled.
    pub(crate) fn runnable(&self) -> usize {
        let state = self.state.lock();
        state.protocol.len() + self.in_batch.load(Ordering::Relaxed)
    }

    /// Moves the whole queue into the empty `batch`; false if there was nothing in it.
    pub(crate) fn take(&self, batch: &mut VecDeque<Runnable>) -> bool {
        let mut state = self.state.lock();
        state.protocol.take(batch);
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
        state.protocol.put_back(batch);
        self.in_batch.store(0, Ordering::Relaxed);
        state.protocol.len() > 0
    }

    /// See [`Protocol::begin`].
    pub(crate) fn begin(&self) {
        self.state.lock().protocol.begin();
    }

    /// See [`Protocol::end`].
    pub(crate) fn end(&self, successor: bool) -> Notify {
        self.state.lock().protocol.end(successor)
    }

    /// See [`Protocol::park`].
    pub(crate) fn park(&self) -> bool {
        self.state.lock().protocol.park()
    }

    /// See [`Protocol::waited`].
    pub(crate) fn waited(&self) {
        self.state.lock().protocol.waited();
    }

    /// See [`Protocol::interrupt`].
    pub(crate) fn interrupt(&self) -> Notify {
        self.state.lock().protocol.interrupt()
    }

    /// See [`Protocol::attend`].
    pub(crate) fn attend(&self) {
        self.state.lock().protocol.attend();
    }

    /// See [`Protocol::neglect`].
    pub(crate) fn neglect(&self) -> Notify {
        self.state.lock().protocol.neglect()
    }

    /// Refuses tasks from now on and gives a waker for each that is alive.
    pub(crate) fn close(&self) -> Vec<Waker> {
        let mut state = self.state.lock();
        state.closed = true;
        state.alive.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
    }

    /// Takes one task, to drop it; `Err` says whether others are alive that are not queued.
    pub(crate) fn pop(&self) -> Result<Runnable, bool> {
        let mut state = self.state.lock();
        state.protocol.pop().ok_or(!state.alive.is_empty())
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
        Ok(state.protocol.push(runnable))
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
    let future = Listed { future: Some(future), _place: Place { shared: Arc::clone(shared), place } };
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
    contain("a task of the reactor panicked and was dropped; the others go on", || {
        runnable.run();
    });
}

pin_project! {
    /// A task's future, which has a place in the list of those alive as long as it exists.
    struct Listed<F> {
        #[pin]
        future: Option<F>,
        _place: Place,
    }

    impl<F> PinnedDrop for Listed<F> {
        fn drop(this: Pin<&mut Self>) {
            // A panic that left this destructor would abort the process: async-task has no other way.
            contain("a task of the reactor panicked while it was dropped; the others go on", || {
                this.project().future.set(None);
            });
        }
    }
}

impl<F: Future> Future for Listed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.project().future.as_pin_mut();
        future.expect("only the destructor takes it").poll(context)
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
