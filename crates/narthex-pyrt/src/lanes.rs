//! Lanes: long-lived threads for synchronous Python code.
//!
//! A lane stays attached to the interpreter's thread state for its whole life, so `threading.local` values (Django's
//! database connections among them) outlive a call, as they do in a thread pool.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::runtime::RuntimeOptions;

type Call = Box<dyn FnOnce(Python<'_>) + Send>;

/// All lanes are busy and as many calls wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanesFull;

/// The threads of one runtime, made when first needed.
pub struct Lanes {
    most: usize,
    queue: Mutex<Option<Sender<Call>>>,
    receiver: Receiver<Call>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    load: Arc<Load>,
}

/// Calls that wait or run, and who wants to know when there are none.
#[derive(Default)]
struct Load {
    calls: AtomicUsize,
    waiting_for_none: Mutex<Vec<Waker>>,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes")
            .field("most", &self.most)
            .field("calls", &self.load.calls)
            .finish_non_exhaustive()
    }
}

impl Lanes {
    pub(crate) fn new(options: RuntimeOptions) -> Self {
        let (sender, receiver) = bounded(options.lane_queue);
        Self {
            most: options.lanes.max(1),
            queue: Mutex::new(Some(sender)),
            receiver,
            threads: Mutex::default(),
            load: Arc::default(),
        }
    }

    /// Runs `call` on a lane, attached to the interpreter. Results go back through whatever `call` holds.
    ///
    /// # Errors
    ///
    /// [`LanesFull`] if the queue is full, or the runtime has stopped; `call` is dropped then.
    pub fn submit(&self, call: impl FnOnce(Python<'_>) + Send + 'static) -> Result<(), LanesFull> {
        let busy = self.load.calls.fetch_add(1, Ordering::AcqRel);
        let sent = match &*self.queue.lock() {
            Some(queue) => queue.try_send(Box::new(call)).map_err(|error: TrySendError<Call>| drop(error)),
            None => Err(()),
        };
        if sent.is_err() {
            self.load.finished();
            return Err(LanesFull);
        }
        let mut threads = self.threads.lock();
        if busy >= threads.len() && threads.len() < self.most {
            match self.spawn(threads.len()) {
                Ok(thread) => threads.push(thread),
                // With one lane at least the call is only late.
                Err(error) => tracing::error!("no thread could be started for synchronous calls: {error}"),
            }
        }
        Ok(())
    }

    fn spawn(&self, number: usize) -> std::io::Result<JoinHandle<()>> {
        let (receiver, load) = (self.receiver.clone(), Arc::clone(&self.load));
        let name = format!("narthex-lane-{number}");
        std::thread::Builder::new().name(name.clone()).spawn(move || {
            crate::attach(|py| {
                name_thread(py, &name);
                while let Ok(call) = py.detach(|| receiver.recv()) {
                    if catch_unwind(AssertUnwindSafe(|| call(py))).is_err() {
                        tracing::error!("bug: a synchronous call panicked; only its exchange ends");
                    }
                    load.finished();
                }
            });
        })
    }

    /// Ready once no call waits or runs.
    pub(crate) async fn idle(&self) {
        poll_fn(|cx| {
            let mut waiting = self.load.waiting_for_none.lock();
            if self.load.calls.load(Ordering::Acquire) == 0 {
                return Poll::Ready(());
            }
            waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Ends the threads that are idle, and the others after their call; waits for the idle ones only, since a call that
    /// never returns cannot be ended from outside. The caller must be detached from the interpreter.
    pub(crate) fn close(&self) {
        drop(self.queue.lock().take());
        let threads = std::mem::take(&mut *self.threads.lock());
        if self.load.calls.load(Ordering::Acquire) == 0 {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("bug: a lane panicked");
                }
            }
        }
    }
}

/// Gives the thread its name in Python's log lines too, where it would be a `Dummy-1`.
fn name_thread(py: Python<'_>, name: &str) {
    let named = py
        .import("threading")
        .and_then(|threading| threading.call_method0("current_thread")?.setattr("name", name));
    if let Err(error) = named {
        tracing::debug!("a lane has no name in Python: {error}");
    }
}

impl Load {
    fn finished(&self) {
        if self.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiting = std::mem::take(&mut *self.waiting_for_none.lock());
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}
