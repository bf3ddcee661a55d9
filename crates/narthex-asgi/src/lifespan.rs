//! The lifespan protocol (ASGI lifespan specification 2.0): the application's start and end on its event loop.

use std::sync::Arc;

use narthex_pyrt::{Outcome, Role, Wait, Waiter, awaitable, ready_none};
use parking_lot::Mutex;
use pyo3::exceptions::{PyException, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::app::{App, Callable};
use crate::message::only_type;

/// The lifespan of one application on one event loop.
pub struct Lifespan {
    app: App,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Lifespan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lifespan").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// The asyncio future that our caller awaits in this phase.
    answer: Option<Py<PyAny>>,
    receiver: Option<Arc<Waiter>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum Phase {
    /// `lifespan.startup` is not yet received.
    #[default]
    Starting,
    /// The application is starting up.
    StartupSent,
    /// It is up; its `receive` waits.
    Up,
    /// `lifespan.shutdown` is not yet received.
    Stopping,
    ShutdownSent,
    /// It has ended, or does not take part.
    Over,
}

/// What the application reported, or its end.
enum Report {
    Done,
    Failed(String),
    Ended,
}

impl Lifespan {
    /// The lifespan of `app`, which has not begun.
    pub fn new(app: App) -> Self {
        Self { app, shared: Arc::default() }
    }

    /// Calls the application with a lifespan scope; WSGI knows none, and its applications are up at once. The awaitable ends when the application is up, also when it does not
    /// take part in the protocol; it raises `RuntimeError` if the application says that it failed.
    pub fn startup<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let runtime = &self.app.0.runtime;
        let Callable::Asgi(app) = &self.app.0.callable else { return ready_none(py) };
        let answer = runtime.create_future(py)?;
        self.shared.state.lock().answer = Some(answer.clone().unbind());
        let scope = PyDict::new(py);
        let asgi = PyDict::new(py);
        asgi.set_item("version", "3.0")?;
        asgi.set_item("spec_version", "2.0")?;
        scope.set_item("type", "lifespan")?;
        scope.set_item("asgi", asgi)?;
        scope.set_item("state", app.state.bind(py))?;
        let channel = Bound::new(py, Channel { shared: Arc::clone(&self.shared), app: self.app.clone() })?;
        let (receive, send) = (channel.getattr("receive")?, channel.getattr("send")?);
        let shared = Arc::clone(&self.shared);
        match app.function.bind(py).call1((scope, receive, send)) {
            Ok(coroutine) => {
                drop(runtime.call(Role::Resident, &coroutine, move |py, outcome| shared.ended(py, &outcome)));
            }
            Err(error) => shared.ended(py, &Outcome::Raised(error)),
        }
        Ok(answer)
    }

    /// Whether the application was told to end and has not yet done so.
    pub fn is_stopping(&self) -> bool {
        matches!(self.shared.state.lock().phase, Phase::Stopping | Phase::ShutdownSent)
    }

    /// Tells the application to end. The asyncio future ends when it has, `None` if there is nothing to wait for; a failure
    /// that the application reports is logged, since nothing can be done about it any more.
    pub fn shutdown<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut state = self.shared.state.lock();
        if state.phase != Phase::Up {
            return Ok(None);
        }
        let receiver = state.receiver.take();
        state.phase = Phase::Stopping;
        drop(state);
        let answer = self.app.0.runtime.create_future(py)?;
        self.shared.state.lock().answer = Some(answer.clone().unbind());
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(Some(answer))
    }
}

impl Shared {
    /// Moves on and resolves what our caller awaits.
    fn report(&self, py: Python<'_>, report: &Report) -> PyResult<()> {
        let mut state = self.state.lock();
        let starting = matches!(state.phase, Phase::Starting | Phase::StartupSent);
        state.phase = match report {
            Report::Done if starting => Phase::Up,
            Report::Done | Report::Failed(_) | Report::Ended => Phase::Over,
        };
        let answer = state.answer.take();
        drop(state);
        if !starting && let Report::Failed(message) = report {
            tracing::error!(target: "narthex::error", "the application's shutdown failed: {message}");
        }
        let Some(answer) = answer else { return Ok(()) };
        let answer = answer.bind(py);
        if answer.call_method0("done")?.is_truthy()? {
            return Ok(());
        }
        match report {
            Report::Failed(message) if starting => {
                let error = PyRuntimeError::new_err(message.clone());
                answer.call_method1("set_exception", (error.into_value(py),))?;
            }
            _ => drop(answer.call_method1("set_result", (py.None(),))?),
        }
        Ok(())
    }

    /// The application's lifespan call returned or raised.
    fn ended(&self, py: Python<'_>, outcome: &Outcome<'_>) {
        let phase = self.state.lock().phase;
        let mut report = Report::Ended;
        if matches!(outcome, Outcome::Cancelled) {
            // While it starts or stops only the application itself can have raised it, which is no way of not taking part.
            if !matches!(phase, Phase::Up | Phase::Over) {
                report = Report::Failed("CancelledError".to_owned());
            }
        }
        if let Outcome::Raised(error) = outcome {
            let starting = matches!(phase, Phase::Starting | Phase::StartupSent);
            if starting && !error.is_instance_of::<PyException>(py) {
                // `sys.exit()` and the like are no way of not taking part.
                report = Report::Failed(narthex_pyrt::exception_text(py, error));
            } else if phase == Phase::StartupSent {
                // Also "continue without lifespan", but this one took the message and so means to take part.
                tracing::warn!(
                    "the application raised while it started up and is served without lifespan: {}",
                    narthex_pyrt::exception_text(py, error)
                );
            } else if phase == Phase::Starting {
                // The specification: "continue without lifespan". Django raises for every scope that is not HTTP.
                tracing::info!(
                    "the application takes no part in lifespan: {}",
                    narthex_pyrt::exception_text(py, error)
                );
            } else {
                narthex_pyrt::log_exception(py, "Exception in the application's lifespan", error);
            }
        }
        if let Err(error) = self.report(py, &report) {
            narthex_pyrt::log_exception(
                py,
                "the end of the application's lifespan could not be told",
                &error,
            );
        }
    }
}

/// The object whose methods are the lifespan's `receive` and `send`.
#[pyclass(frozen, module = "narthex._native")]
struct Channel {
    shared: Arc<Shared>,
    app: App,
}

#[pymethods]
impl Channel {
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        awaitable(py, &self.app.0.runtime, NextMessage { shared: Arc::clone(&self.shared) })
    }

    fn send<'py>(&self, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = message.py();
        let message =
            message.cast::<PyDict>().map_err(|_| PyTypeError::new_err("an ASGI message must be a dict"))?;
        let kind: String = message
            .get_item(intern!(py, "type"))?
            .ok_or_else(|| PyValueError::new_err("the message has no 'type'"))?
            .extract()?;
        let phase = self.shared.state.lock().phase;
        let starting = matches!(phase, Phase::Starting | Phase::StartupSent);
        let stopping = matches!(phase, Phase::Stopping | Phase::ShutdownSent);
        let text = || -> PyResult<String> {
            message.get_item(intern!(py, "message"))?.map_or_else(|| Ok(String::new()), |text| text.extract())
        };
        let report = match kind.as_str() {
            "lifespan.startup.complete" if starting => Report::Done,
            "lifespan.startup.failed" if starting => Report::Failed(text()?),
            "lifespan.shutdown.complete" if stopping => Report::Done,
            "lifespan.shutdown.failed" if stopping => Report::Failed(text()?),
            other => {
                return Err(PyRuntimeError::new_err(format!(
                    "unexpected lifespan message '{other}' at this point"
                )));
            }
        };
        self.shared.report(py, &report)?;
        ready_none(py)
    }
}

struct NextMessage {
    shared: Arc<Shared>,
}

impl Wait for NextMessage {
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        let mut state = self.shared.state.lock();
        let kind = match state.phase {
            Phase::Starting => {
                state.phase = Phase::StartupSent;
                intern!(py, "lifespan.startup")
            }
            Phase::Stopping => {
                state.phase = Phase::ShutdownSent;
                intern!(py, "lifespan.shutdown")
            }
            Phase::StartupSent | Phase::Up | Phase::ShutdownSent | Phase::Over => {
                state.receiver = waiter.cloned();
                return None;
            }
        };
        drop(state);
        Some(only_type(py, kind))
    }
}
