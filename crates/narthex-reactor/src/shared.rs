//! What a reactor's handles, tasks, sockets and timers share.

use std::collections::VecDeque;
use std::io;
use std::task::Waker;

use async_task::Runnable;

use crate::executor::Executor;
use crate::fork::Process;
use crate::io::Sources;
use crate::poller::{Events, Poller};
use crate::protocol::Notify;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::timer::Timers;

/// The reactor itself; a [`Reactor`](crate::Reactor) is a handle on it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) poller: Poller,
    pub(crate) executor: Executor,
    pub(crate) sources: Sources,
    pub(crate) timers: Timers,
    /// Held by whoever drives.
    pub(crate) driver: Mutex<DriverState>,
    /// How many threads wait for that mutex.
    waiting: AtomicUsize,
    process: Process,
}

/// Buffers of whoever drives, kept from turn to turn.
pub(crate) struct DriverState {
    pub(crate) events: Events,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) batch: VecDeque<Runnable>,
}

impl std::fmt::Debug for DriverState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DriverState").field("batch", &self.batch.len()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            executor: Executor::default(),
            sources: Sources::default(),
            timers: Timers::new(),
            driver: Mutex::new(DriverState {
                events: Events::new(),
                wakers: Vec::new(),
                batch: VecDeque::new(),
            }),
            waiting: AtomicUsize::new(0),
            process: Process::current(),
        })
    }

    /// Whether this is the process that made the reactor.
    pub(crate) fn is_ours(&self) -> bool {
        self.process.is_current()
    }

    /// What the waker of a task calls.
    pub(crate) fn schedule(&self, runnable: Runnable) {
        if self.is_ours() {
            self.notify(self.executor.push(runnable));
        } else {
            // A forked child runs nothing, and dropping the future could reach for a lock that nobody holds any more.
            std::mem::forget(runnable);
        }
    }

    pub(crate) fn notify(&self, Notify(needed): Notify) {
        if needed {
            self.poller.notify();
        }
    }

    /// Whether a thread waits for the right to drive.
    pub(crate) fn wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Locks the right to drive, having asked whoever has it to give it back.
    pub(crate) fn lock_driver(&self) -> MutexGuard<'_, DriverState> {
        if let Some(state) = self.driver.try_lock() {
            return state;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.notify(self.executor.interrupt());
        let state = self.driver.lock();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        state
    }
}
