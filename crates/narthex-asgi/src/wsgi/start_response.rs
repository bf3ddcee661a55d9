//! `start_response(status, headers, exc_info=None)` and the `write` that it returns.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use narthex_pyrt::block_until;
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::exchange::Exchange;
use crate::message::{Head, Outgoing};
use crate::send::{Sent, poll_room, send};

/// The response of one call, as its application starts and writes it.
#[pyclass(frozen, module = "narthex._native")]
pub(super) struct StartResponse {
    exchange: Arc<Exchange>,
    method: Method,
    started: Mutex<Started>,
}

enum Started {
    No,
    /// It may be replaced still: the head goes out with the first piece of the body.
    Head(Head),
    Sent,
}

impl StartResponse {
    pub(super) fn new(exchange: Arc<Exchange>, method: Method) -> Self {
        Self { exchange, method, started: Mutex::new(Started::No) }
    }

    /// Whether there may be a head, or another one, now.
    fn may_start(&self, exc_info: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let (begun, sent) = match *self.started.lock() {
            Started::No => (false, false),
            Started::Head(_) => (true, false),
            Started::Sent => (true, true),
        };
        match exc_info {
            None if begun => {
                Err(PyRuntimeError::new_err("start_response() was called before, so it needs exc_info now"))
            }
            // Too late for another head: the response is cut off (PEP 3333, "Error Handling").
            Some(exc_info) if sent => Err(PyErr::from_value(exc_info.get_item(1)?)),
            _ => Ok(()),
        }
    }

    /// Sends a piece of the body, with the head if it is the first, and waits until there is room for the next.
    ///
    /// # Errors
    ///
    /// As `send` of ASGI: `OSError` once the client is gone, `RuntimeError` for what is out of order.
    pub(super) fn send(&self, py: Python<'_>, data: Bytes, more: bool) -> PyResult<()> {
        let started = std::mem::replace(&mut *self.started.lock(), Started::Sent);
        match started {
            Started::Sent => {}
            Started::Head(head) => {
                send(&self.exchange, &self.method, Outgoing::Start(head))?;
            }
            Started::No => {
                *self.started.lock() = Started::No;
                return Err(PyRuntimeError::new_err("the response's body came before start_response()"));
            }
        }
        match send(&self.exchange, &self.method, Outgoing::Body { data, more })? {
            Sent::Done => Ok(()),
            Sent::Wait => block_until(py, |waker| poll_room(&self.exchange, waker)),
        }
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info = None))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        this.may_start(exc_info)?;
        *this.started.lock() = Started::Head(read(status, headers)?);
        slf.getattr(intern!(py, "write"))
    }

    /// The imperative way to send the body.
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data_bytes = narthex_pyrt::to_bytes(data, "what is given to write()")?;
        if data_bytes.is_empty() { Ok(()) } else { self.send(data.py(), data_bytes, true) }
    }
}

fn read(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Head> {
    let mut head = Head { status: read_status(status)?, headers: HeaderMap::new(), content_length: None };
    for header in headers.try_iter()? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = header?
            .extract()
            .map_err(|_| PyTypeError::new_err("each of a response's headers must be a tuple of two str"))?;
        head.add(&latin1(&name, "a header's name")?, &latin1(&value, "a header's value")?)?;
    }
    Ok(head)
}

/// The code of `200 OK`; HTTP/2 has no place for the reason, and nobody may depend on it (RFC 9112 4).
fn read_status(status: &Bound<'_, PyAny>) -> PyResult<StatusCode> {
    let text = status
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err("the response's status must be a str such as '200 OK'"))?
        .to_str()?;
    let code = text.split(' ').next().unwrap_or_default();
    StatusCode::from_bytes(code.as_bytes()).ok().filter(|status| !status.is_informational()).ok_or_else(
        || {
            PyValueError::new_err(format!(
                "the response's status must be like '200 OK', from 200 to 999, not {text:?}"
            ))
        },
    )
}

/// The bytes that a WSGI string stands for.
fn latin1(text: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<u8>> {
    let wrong = || PyTypeError::new_err(format!("{what} must be a str"));
    let text = text.cast::<PyString>().map_err(|_| wrong())?.to_str()?;
    text.chars().map(|character| u8::try_from(character).ok()).collect::<Option<_>>().ok_or_else(|| {
        PyValueError::new_err(format!("{what} has characters that HTTP cannot carry: {text:?}"))
    })
}
