//! Lanes: where synchronous Python code runs, beside the event loop's thread.
//!
//! They are [threads of ours](threads), or an [executor](executor) that the program has made, whose size, initializer and
//! thread-locals it counts on. Either way as many calls as may wait are bounded, and a shutdown knows when there are none.

mod executor;
mod pool;
mod queue;
mod threads;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use parking_lot::Mutex;
use pyo3::prelude::*;

pub use self::pool::run_in;

use self::executor::Executor;
use self::queue::{Need, Queue};
use self::threads::Threads;
use crate::runtime::{Runtime, RuntimeOptions};

/// One synchronous call.
type Call = Box<dyn FnOnce(Python<'_>) + Send>;

/// All lanes are busy and as many calls wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanesFull;

/// The lanes of one runtime.
pub(crate) struct Lanes {
    queue: Arc<Queue>,
    workers: Workers,
    load: Arc<Load>,
}

/// Who takes calls from the queue.
enum Workers {
    Threads(Arc<Threads>),
    Executor(Arc<Executor>),
}

impl Lanes {
    pub(crate) fn new(py: Python<'_>, options: RuntimeOptions) -> Self {
        let queue = Arc::default();
        let (workers, at_once) = match options.executor {
            None => (Workers::Threads(Threads::new(options.lanes, &queue)), options.lanes),
            Some(executor) => {
                let executor = executor.bind(py);
                (Workers::Executor(Executor::new(executor, &queue)), Executor::workers(executor))
            }
        };
        Self { queue, workers, load: Load::new(at_once.saturating_add(options.lane_queue)) }
    }

    /// How many calls wait or run.
    pub(crate) fn calls(&self) -> usize {
        self.load.calls.load(Ordering::Acquire)
    }

    /// Ready once no call waits or runs.
    pub(crate) async fn idle(&self) {
        self.load.none().await;
    }

    /// Ends the threads that are idle, and the others after their call; waits for the idle ones only, since a call that
    /// never returns cannot be ended from outside. The caller must be detached from the interpreter.
    pub(crate) fn close(&self) {
        self.queue.close();
        if let Workers::Threads(threads) = &self.workers {
            threads.close(self.load.is_none());
        }
    }
}

impl Runtime {
    /// Runs `call` on a lane, attached to the interpreter. Results go back through whatever `call` holds. Needs no
    /// interpreter itself.
    ///
    /// # Errors
    ///
    /// [`LanesFull`] if as many calls wait as may, or the runtime has stopped; `call` is dropped then.
    pub fn submit(&self, call: impl FnOnce(Python<'_>) + Send + 'static) -> Result<(), LanesFull> {
        let lanes = &self.lanes;
        let counted = Counted::new(&lanes.load, Box::new(call))?;
        match (lanes.queue.push(counted)?, &lanes.workers) {
            (Need::Nobody, _) => {}
            (Need::Worker, Workers::Threads(threads)) => threads.call(),
            (Need::Worker, Workers::Executor(executor)) => executor.call(self),
        }
        Ok(())
    }
}

/// A call that counts as one until it has run or was dropped.
struct Counted {
    call: Option<Call>,
    load: Arc<Load>,
}

impl Counted {
    fn new(load: &Arc<Load>, call: Call) -> Result<Self, LanesFull> {
        let before = load.calls.fetch_add(1, Ordering::AcqRel);
        let counted = Self { call: Some(call), load: Arc::clone(load) };
        if before < load.most { Ok(counted) } else { Err(LanesFull) }
    }

    /// One that panics ends alone, and leaves its thread as it was.
    fn run(mut self, py: Python<'_>) {
        let Some(call) = self.call.take() else { return };
        if catch_unwind(AssertUnwindSafe(|| call(py))).is_err() {
            tracing::error!("bug: a synchronous call panicked; only its exchange ends");
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // What the call holds goes first: who waits for none may take away what it needs.
        self.call = None;
        self.load.finished();
    }
}

/// Calls that wait or run, and who wants to know when there are none.
struct Load {
    calls: AtomicUsize,
    most: usize,
    waiting_for_none: Mutex<Vec<Waker>>,
}

impl Load {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { calls: AtomicUsize::new(0), most, waiting_for_none: Mutex::default() })
    }

    fn is_none(&self) -> bool {
        self.calls.load(Ordering::Acquire) == 0
    }

    fn finished(&self) {
        if self.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiting = std::mem::take(&mut *self.waiting_for_none.lock());
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    async fn none(&self) {
        poll_fn(|cx| {
            let mut waiting = self.waiting_for_none.lock();
            if self.is_none() {
                return Poll::Ready(());
            }
            waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
