//! The runtime on real event loops: what Rust and Python promise each other.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod anext;
mod calls;
mod lanes;
mod pump;
mod standby;
mod waits;

use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use narthex_pyrt::{Job, Runtime, RuntimeOptions};
use narthex_reactor::Reactor;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Fails a test that would otherwise wait for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `body` with a started runtime on a new asyncio loop; `drive` runs the loop until `future` is done.
fn with_runtime(options: RuntimeOptions, body: impl FnOnce(&Fixture<'_>)) {
    with_runtime_on("asyncio", options, body);
}

/// The same on a loop of `uvloop`, or whatever module else has a `new_event_loop`.
fn with_runtime_on(module: &str, options: RuntimeOptions, body: impl FnOnce(&Fixture<'_>)) {
    Python::initialize();
    narthex_pyrt::attach(|py| {
        let event_loop = py.import(module).unwrap().call_method0("new_event_loop").unwrap();
        with_runtime_in(event_loop, options, body);
    })
    .expect("the interpreter is up");
}

/// The same on a loop that is there, and is closed.
fn with_runtime_in<'py>(
    event_loop: Bound<'py, PyAny>,
    options: RuntimeOptions,
    body: impl FnOnce(&Fixture<'py>),
) {
    let py = event_loop.py();
    let runtime = Runtime::new(&event_loop, Reactor::new().unwrap(), options).unwrap();
    runtime.start(py).unwrap();
    let fixture = Fixture { py, event_loop, runtime };
    body(&fixture);
    fixture.runtime.stop(py);
    fixture.event_loop.call_method0("close").unwrap();
}

struct Fixture<'py> {
    py: Python<'py>,
    event_loop: Bound<'py, PyAny>,
    runtime: Arc<Runtime>,
}

impl<'py> Fixture<'py> {
    /// Runs the loop until the coroutine function `main` of `source` returns; the other names in it come from `names`.
    fn run(&self, source: &str, names: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let source = CString::new(source).unwrap();
        self.py.run(&source, Some(names), None)?;
        let main = names.get_item("main")?.expect("the source defines main").call0()?;
        let limited = self.py.import("asyncio")?.call_method1("wait_for", (main, PATIENCE.as_secs()))?;
        self.event_loop.call_method1("run_until_complete", (limited,))
    }

    fn names(&self) -> Bound<'py, PyDict> {
        PyDict::new(self.py)
    }

    /// A future that `resolve`d jobs complete; for the loop to wait on.
    fn future(&self) -> Bound<'py, PyAny> {
        self.runtime.create_future(self.py).unwrap()
    }

    fn wait(&self, future: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let names = self.names();
        names.set_item("future", future)?;
        self.run("async def main(): return await future", &names)
    }
}

/// A job made of a closure.
struct Run<F>(F);

impl<F: FnOnce(Python<'_>) + Send + 'static> Job for Run<F> {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        (self.0)(py);
    }
}

/// A job that completes an asyncio future.
fn resolve(future: Py<PyAny>) -> Run<impl FnOnce(Python<'_>) + Send + 'static> {
    Run(move |py: Python<'_>| {
        future.call_method1(py, "set_result", (py.None(),)).unwrap();
    })
}
