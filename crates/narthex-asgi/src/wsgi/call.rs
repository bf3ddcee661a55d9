//! The call of the application, on a lane, and what becomes of the iterable that it returns.

use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, request};
use narthex_pyrt::{Outcome, in_context, log_exception};
use pyo3::intern;
use pyo3::prelude::*;

use super::Wsgi;
use super::input::Input;
use super::start_response::StartResponse;
use crate::app::{App, Callable, Interface};
use crate::exchange::Exchange;
use crate::job::Unfinished;

/// One request. Dropped without having run, it answers 503.
pub(crate) struct Call {
    app: App,
    exchange: Arc<Exchange>,
    head: Option<request::Parts>,
    /// The body's.
    length: Option<u64>,
}

impl Call {
    pub(crate) fn new(app: App, exchange: Arc<Exchange>, head: request::Parts) -> Self {
        Self { app, exchange, head: Some(head), length: None }
    }

    /// Has a lane call the application, with the length of the request's body if it is known. Where there is no lane for it the
    /// answer is 503.
    pub(crate) fn submit(mut self, length: Option<u64>) {
        self.length = length;
        let runtime = Arc::clone(&self.exchange.runtime);
        if runtime.submit(move |py| self.run(py)).is_err() {
            tracing::warn!(
                "a request was refused: all threads are busy and as many requests wait for one as may"
            );
        }
    }

    fn run(mut self, py: Python<'_>) {
        let Some(head) = self.head.take() else { return };
        let Callable::Wsgi(wsgi) = &self.app.0.callable else { return };
        if self.exchange.lock().client_gone {
            return;
        }
        let unfinished = Unfinished(Arc::clone(&self.exchange));
        let runtime = &self.app.0.runtime;
        let responded = runtime
            .context_copy(py)
            .and_then(|context| in_context(&context, || self.respond(py, wsgi, &head)))
            .flatten();
        runtime.end_if_forked(py, responded.as_ref().err());
        let outcome = match responded {
            Ok(()) => Outcome::Returned(py.None().into_bound(py)),
            Err(error) => Outcome::Raised(error),
        };
        unfinished.0.finished(py, Interface::Wsgi, &outcome);
    }

    fn respond(&self, py: Python<'_>, wsgi: &Wsgi, head: &request::Parts) -> PyResult<()> {
        let input = Input::new(Arc::clone(&self.exchange), self.app.0.max_body);
        let environ = wsgi.template.environ(py, head, self.length, Bound::new(py, input)?)?;
        let start = StartResponse::new(Arc::clone(&self.exchange), head.method.clone());
        let start = Bound::new(py, start)?;
        let returned = wsgi.function.bind(py).call1((environ, &start))?;
        let sent = send_all(start.get(), &returned);
        // Whatever has happened: PEP 3333 promises it, and Django's request_finished depends on it.
        let closed = close(&returned);
        match (sent, closed) {
            (Err(error), Err(second)) => {
                log_exception(py, "the response's close() raised as well", &second);
                Err(error)
            }
            (sent, closed) => sent.and(closed),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.head.is_some() {
            self.exchange.fail(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
        }
    }
}

/// Sends what the application returned. One piece that is known to be all of it has its length told.
fn send_all(start: &StartResponse, returned: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = returned.py();
    let alone = returned.len().is_ok_and(|pieces| pieces == 1);
    for piece in returned.try_iter()? {
        let piece = narthex_pyrt::to_bytes(&piece?, "what a WSGI application yields")?;
        if alone {
            return start.send(py, piece, false);
        }
        // The head waits for the first piece that says something (PEP 3333, "The start_response() Callable").
        if !piece.is_empty() {
            start.send(py, piece, true)?;
        }
    }
    start.send(py, Bytes::new(), false)
}

fn close(returned: &Bound<'_, PyAny>) -> PyResult<()> {
    match returned.getattr_opt(intern!(returned.py(), "close"))? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    }
}
