//! A `concurrent.futures.Executor` of the program's own.
//!
//! What is submitted to it is not a call but a worker, which takes calls as long as there are any, a bounded number of them:
//! the program may have work of its own for the executor. Submitting takes the interpreter, and a request arrives without
//! it, so that the first worker is submitted on the event loop's thread. The program shuts the executor down, not we: what
//! it refuses then is dropped, as by threads of ours that have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::intern;
use pyo3::prelude::*;

use super::queue::{Need, Queue};
use crate::inbox::Job;
use crate::runtime::Runtime;

/// How many calls a worker takes before it waits for its turn again.
const CALLS: usize = 64;

pub(super) struct Executor {
    executor: Py<PyAny>,
    queue: Arc<Queue>,
}

impl Executor {
    pub(super) fn new(executor: &Bound<'_, PyAny>, queue: &Arc<Queue>) -> Arc<Self> {
        Arc::new(Self { executor: executor.clone().unbind(), queue: Arc::clone(queue) })
    }

    /// How many calls it runs at once. Not public, but nothing else tells; for an executor of another kind it is none.
    pub(super) fn workers(executor: &Bound<'_, PyAny>) -> usize {
        let workers = executor.getattr(intern!(executor.py(), "_max_workers"));
        workers.and_then(|workers| workers.extract()).unwrap_or(0)
    }

    /// Has a worker come, by way of the event loop.
    pub(super) fn call(self: &Arc<Self>, runtime: &Runtime) {
        runtime.push(Submit(Arc::clone(self)));
    }

    fn submit(self: &Arc<Self>, py: Python<'_>) {
        // Dropped by an executor that does not run it, the worker gives the queue up.
        let submitted = Bound::new(py, Worker { executor: Arc::clone(self), came: AtomicBool::new(false) })
            .and_then(|worker| self.executor.bind(py).call_method1(intern!(py, "submit"), (worker,)));
        if let Err(error) = submitted {
            tracing::warn!("the executor for synchronous calls takes no more: {error}");
        }
    }
}

struct Submit(Arc<Executor>);

impl Job for Submit {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        self.0.submit(py);
    }
}

/// What the executor calls.
#[pyclass(frozen, module = "narthex._native")]
struct Worker {
    executor: Arc<Executor>,
    came: AtomicBool,
}

#[pymethods]
impl Worker {
    fn __call__(&self, py: Python<'_>) {
        self.came.store(true, Ordering::Relaxed);
        let queue = &self.executor.queue;
        queue.come();
        for _ in 0..CALLS {
            let Some((call, need)) = queue.take() else { return };
            if need == Need::Worker {
                self.executor.submit(py);
            }
            call.run(py);
        }
        if queue.leave() == Need::Worker {
            self.executor.submit(py);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.came.load(Ordering::Relaxed) {
            self.executor.queue.give_up();
        }
    }
}
