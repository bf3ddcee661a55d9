//! The call of the application, on the event loop's thread.

use std::sync::Arc;

use http::{Method, StatusCode, request};
use narthex_pyrt::{Job, Outcome, Role, Runtime, awaitable, ready_none};
use pyo3::intern;
use pyo3::prelude::*;

use crate::app::{App, Asgi, Callable, Interface};
use crate::exchange::{Abandonable, Exchange};
use crate::message::Outgoing;
use crate::receive::Receive;
use crate::send::{Drained, Sent, send};

/// Calls the application for one request. Dropped without having run, it answers 503: the event loop is gone.
pub(crate) struct CallApp {
    pub(crate) app: App,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) head: Option<request::Parts>,
}

impl Job for CallApp {
    fn run(mut self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>) {
        let Some(head) = self.head.take() else { return };
        if self.exchange.lock().client_gone {
            return;
        }
        let unfinished = Unfinished(Arc::clone(&self.exchange));
        let Callable::Asgi(asgi) = &self.app.0.callable else { return };
        let coroutine = match self.call(py, asgi, &head) {
            Ok(coroutine) => coroutine,
            Err(error) => return unfinished.0.finished(py, Interface::Asgi, &Outcome::Raised(error)),
        };
        let running = runtime.call(Role::Request, &coroutine, move |py, outcome| {
            unfinished.0.finished(py, Interface::Asgi, &outcome);
        });
        // Without a timeout the handle is not kept: an ASGI application is then never cancelled because its client left
        // (`http.disconnect` tells it), only at shutdown, by the runtime.
        if let Some((task, grace)) = running.zip(self.app.0.close_timeout) {
            self.exchange.keep(Abandonable { task, grace });
        }
    }
}

impl CallApp {
    fn call<'py>(&self, py: Python<'py>, asgi: &Asgi, head: &request::Parts) -> PyResult<Bound<'py, PyAny>> {
        let scope = asgi.template.scope(py, head, &asgi.state)?;
        let exchange = HttpExchange {
            exchange: Arc::clone(&self.exchange),
            method: head.method.clone(),
            max_body: self.app.0.max_body,
        };
        let exchange = Bound::new(py, exchange)?;
        let receive = exchange.getattr(intern!(py, "receive"))?;
        let send = exchange.getattr(intern!(py, "send"))?;
        asgi.function.bind(py).call1((scope, receive, send))
    }
}

impl Drop for CallApp {
    fn drop(&mut self) {
        if self.head.is_some() {
            self.exchange.fail(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
        }
    }
}

/// A call whose end is not yet told. A panic of ours on the way must not leave the client without an answer.
pub(crate) struct Unfinished(pub(crate) Arc<Exchange>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        }
    }
}

/// The object whose methods are the application's `receive` and `send`.
#[pyclass(frozen, module = "narthex._native")]
struct HttpExchange {
    exchange: Arc<Exchange>,
    method: Method,
    max_body: Option<u64>,
}

#[pymethods]
impl HttpExchange {
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let source = Receive { exchange: Arc::clone(&self.exchange), max_body: self.max_body };
        awaitable(py, &self.exchange.runtime, source)
    }

    fn send<'py>(&self, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = message.py();
        match send(&self.exchange, &self.method, Outgoing::read(message)?)? {
            Sent::Done => ready_none(py),
            Sent::Wait => {
                awaitable(py, &self.exchange.runtime, Drained { exchange: Arc::clone(&self.exchange) })
            }
        }
    }
}
