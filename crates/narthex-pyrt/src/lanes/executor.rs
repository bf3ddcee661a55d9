//! A `concurrent.futures.Executor` of the program's own.
//!
//! It is submitted to on the event loop's thread, since that takes the interpreter and a request arrives without it. The
//! program shuts it down, not we: what it refuses then is dropped, as by threads of ours that have ended.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;

use super::{Counted, LanesFull};
use crate::inbox::Job;
use crate::runtime::Runtime;

pub(super) struct Executor {
    executor: Py<PyAny>,
    /// How many calls may run and wait together; an executor's own queue has no bound.
    most: usize,
}

impl Executor {
    /// As many calls as `queue` may wait beside those that its workers run.
    pub(super) fn new(executor: &Bound<'_, PyAny>, queue: usize) -> Self {
        // Not public, but nothing else tells; an executor of another kind has the queue alone.
        let workers = executor.getattr(intern!(executor.py(), "_max_workers"));
        let workers = workers.and_then(|workers| workers.extract::<usize>()).unwrap_or(0);
        Self { executor: executor.clone().unbind(), most: workers.saturating_add(queue) }
    }

    pub(super) fn submit(&self, runtime: &Runtime, call: Counted) -> Result<(), LanesFull> {
        if call.before >= self.most {
            return Err(LanesFull);
        }
        runtime.push(Submit(call));
        Ok(())
    }
}

struct Submit(Counted);

impl Job for Submit {
    fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>) {
        let super::Kind::Executor(executor) = &runtime.lanes.kind else { return };
        let submitted = Bound::new(py, Submitted(Mutex::new(Some(self.0))))
            .and_then(|call| executor.executor.bind(py).call_method1(intern!(py, "submit"), (call,)));
        if let Err(error) = submitted {
            tracing::warn!("the executor for synchronous calls takes no more: {error}");
        }
    }
}

/// What the executor calls.
#[pyclass(frozen, module = "narthex._native")]
struct Submitted(Mutex<Option<Counted>>);

#[pymethods]
impl Submitted {
    fn __call__(&self, py: Python<'_>) {
        let call = self.0.lock().take();
        if let Some(call) = call {
            call.run(py);
        }
    }
}
