//! A child process that Python forks without `exec` in the middle of a call.
//!
//! The child has a copy of everything, the parent's sockets and epoll instances as the same kernel objects, and none of the
//! parent's other threads. Were it to go back to the event loop it would take the parent's events, and run the other
//! requests of the parent a second time. So it lives as long as the step of Python that forked it: once that comes back to
//! the runtime, whether it returned, raised or awaits something, the child ends there. The parent does not notice any of it.
//!
//! It ends as `multiprocessing` ends its children: `SystemExit` is its exit status, the standard streams are flushed, and the
//! exit handlers of the parent, which would tidy away what the parent still uses, are not called.

use std::sync::{Arc, Weak};
use std::thread::ThreadId;

use pyo3::exceptions::PySystemExit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::runtime::Runtime;
use crate::task::Outcome;

impl Runtime {
    /// Whether this is a child forked from the process that the runtime was made in.
    pub(crate) fn is_forked(&self) -> bool {
        !self.reactor.is_ours()
    }

    /// To be called where user code comes back: does not return in a child that this code has forked. `error` is what it raised.
    pub fn end_if_forked(&self, py: Python<'_>, error: Option<&PyErr>) {
        if self.is_forked() {
            end(py, error);
        }
    }

    /// The same for a task that has had its first step.
    pub(crate) fn end_if_forked_by(&self, task: &Bound<'_, PyAny>) {
        if self.is_forked() {
            end_by(task);
        }
    }
}

/// Has a child that was forked in a callback of the event loop end as soon as the callback has.
pub(crate) fn watch(py: Python<'_>, runtime: &Arc<Runtime>) -> PyResult<()> {
    let hook = AfterInChild { runtime: Arc::downgrade(runtime), thread: std::thread::current().id() };
    let kwargs = PyDict::new(py);
    kwargs.set_item("after_in_child", Bound::new(py, hook)?)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&kwargs)).map(drop)
}

/// What Python calls in each forked child. It cannot be taken back, so it holds nothing.
#[pyclass(frozen, module = "narthex._native")]
struct AfterInChild {
    runtime: Weak<Runtime>,
    /// The event loop's.
    thread: ThreadId,
}

#[pymethods]
impl AfterInChild {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let Some(runtime) = self.runtime.upgrade() else { return Ok(()) };
        // On another thread there is no loop to go back to; before and after the runtime's time it is none of its business.
        if std::thread::current().id() != self.thread || !runtime.is_started() {
            return Ok(());
        }
        let event_loop = runtime.event_loop(py);
        let task = py.import("asyncio")?.call_method1("current_task", (event_loop,))?;
        let end = Bound::new(py, End { task: task.unbind() })?;
        event_loop.call_method1("call_soon", (end,)).map(drop)
    }
}

/// Ends a child, after the callback that forked it.
#[pyclass(frozen, module = "narthex._native")]
struct End {
    /// The task that forked it, or None.
    task: Py<PyAny>,
}

#[pymethods]
impl End {
    fn __call__(&self, py: Python<'_>) {
        // What a callback without a task has raised is known to the loop alone. To leave the loop for it is no way out:
        // uvloop would take descriptors of its own out of the epoll instance, which is the parent's.
        let task = self.task.bind(py);
        if task.is_none() {
            end(py, None);
        }
        end_by(task);
    }
}

/// Ends a child as its task has ended, or well if it has not.
fn end_by(task: &Bound<'_, PyAny>) -> ! {
    let py = task.py();
    let done = task.call_method0(intern!(py, "done")).is_ok_and(|done| done.is_truthy().unwrap_or(false));
    match done.then(|| Outcome::of(task)) {
        Some(Outcome::Raised(error)) => end(py, Some(&error)),
        Some(Outcome::Returned(_) | Outcome::Cancelled) | None => end(py, None),
    }
}

#[cold]
fn end(py: Python<'_>, error: Option<&PyErr>) -> ! {
    let status = error.map_or(0, |error| status(py, error));
    for name in [intern!(py, "stdout"), intern!(py, "stderr")] {
        // Closed or taken away by the application; nobody is left to tell.
        let _ = py.import("sys").and_then(|sys| sys.getattr(name)?.call_method0(intern!(py, "flush")));
    }
    // Does not return; and if Python is too broken to import os, so is the child.
    let _ = py.import("os").and_then(|os| os.call_method1(intern!(py, "_exit"), (status,)));
    std::process::abort();
}

/// What a process exits with that this exception ended.
fn status(py: Python<'_>, error: &PyErr) -> i32 {
    if !error.is_instance_of::<PySystemExit>(py) {
        crate::log_exception(py, "Exception in a child process that a call has forked", error);
        return 1;
    }
    match error.value(py).getattr(intern!(py, "code")) {
        Ok(code) if code.is_none() => 0,
        Ok(code) => code.extract::<i64>().map_or(1, |code| i32::try_from(code & 0xff).unwrap_or(1)),
        Err(_) => 1,
    }
}
