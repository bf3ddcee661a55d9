//! What runs before and after each call: closing a framework's stale database connections, say.

use narthex_pyrt::log_exception;
use pyo3::prelude::*;

/// Callables without arguments that run before and after each call, on the thread the call runs on.
///
/// One that raises is logged and changes nothing: a call is not to fail because of what surrounds it.
#[derive(Debug, Default)]
pub struct Hooks {
    /// For synchronous handlers, on their lane.
    pub sync: Option<Py<PyAny>>,
    /// For coroutine functions, on the event loop's thread.
    pub asynchronous: Option<Py<PyAny>>,
}

impl Hooks {
    /// Those that close Django's stale database connections; none in a process that does not use Django.
    ///
    /// # Errors
    ///
    /// If `narthex.django.connections` cannot be imported.
    pub fn from_django(py: Python<'_>) -> PyResult<Self> {
        let hooks = py.import("narthex.django.connections")?.call_method0("hooks")?;
        Ok(match hooks.extract::<Option<(Py<PyAny>, Py<PyAny>)>>()? {
            Some((sync, asynchronous)) => Self { sync: Some(sync), asynchronous: Some(asynchronous) },
            None => Self::default(),
        })
    }

    pub(crate) fn run_sync(&self, py: Python<'_>) {
        run(py, self.sync.as_ref());
    }

    pub(crate) fn run_async(&self, py: Python<'_>) {
        run(py, self.asynchronous.as_ref());
    }
}

fn run(py: Python<'_>, hook: Option<&Py<PyAny>>) {
    if let Some(Err(error)) = hook.map(|hook| hook.bind(py).call0()) {
        log_exception(py, "a hook around gRPC calls failed", &error);
    }
}
