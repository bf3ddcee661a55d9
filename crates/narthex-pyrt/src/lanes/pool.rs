//! One call in an executor of its own, which a handler has brought along. The program bounds what waits there, not we.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;

use super::Call;

/// Has a `concurrent.futures.Executor` run `call`. What it refuses is dropped.
pub fn run_in(executor: &Bound<'_, PyAny>, call: impl FnOnce(Python<'_>) + Send + 'static) {
    let submitted = Bound::new(executor.py(), Once(Mutex::new(Some(Box::new(call)))))
        .and_then(|once| executor.call_method1(intern!(executor.py(), "submit"), (once,)));
    if let Err(error) = submitted {
        tracing::warn!("a handler's own executor takes no more: {error}");
    }
}

/// What the executor calls.
#[pyclass(frozen, module = "narthex._native")]
struct Once(Mutex<Option<Call>>);

#[pymethods]
impl Once {
    fn __call__(&self, py: Python<'_>) {
        let Some(call) = self.0.lock().take() else { return };
        if catch_unwind(AssertUnwindSafe(|| call(py))).is_err() {
            tracing::error!("bug: a synchronous call panicked; only its exchange ends");
        }
    }
}
