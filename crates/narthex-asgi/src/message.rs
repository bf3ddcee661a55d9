//! ASGI messages: Python's dictionaries to and from types, both ways, in one place.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use narthex_wire::metadata::without_margins;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

/// What an application may send in an HTTP exchange.
pub(crate) enum Outgoing {
    Start(Head),
    Body { data: Bytes, more: bool },
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// What the application says the body's length is.
    pub(crate) content_length: Option<u64>,
}

impl Outgoing {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// `TypeError`, `ValueError` or `KeyError` that says which part of the message is wrong; raised at the application's
    /// `send`.
    pub(crate) fn read(message: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = message.py();
        let message =
            message.cast::<PyDict>().map_err(|_| PyTypeError::new_err("an ASGI message must be a dict"))?;
        let kind = required(message, intern!(py, "type"))?;
        let kind =
            kind.cast::<PyString>().map_err(|_| PyTypeError::new_err("a message's 'type' must be a str"))?;
        match kind.to_str()? {
            "http.response.body" => Self::body(message),
            "http.response.start" => Ok(Self::Start(Head::read(message)?)),
            other => Err(PyValueError::new_err(format!(
                "expected 'http.response.start' or 'http.response.body', got message type '{other}'"
            ))),
        }
    }

    fn body(message: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = message.py();
        let data = match message.get_item(intern!(py, "body"))? {
            Some(body) => narthex_pyrt::to_bytes(&body, "'body' of http.response.body")?,
            None => Bytes::new(),
        };
        let more = match message.get_item(intern!(py, "more_body"))? {
            Some(more) => more.is_truthy()?,
            None => false,
        };
        Ok(Self::Body { data, more })
    }
}

impl Head {
    fn read(message: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = message.py();
        let status = required(message, intern!(py, "status"))?;
        let status = status
            .extract::<u16>()
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
            .filter(|status| !status.is_informational())
            .ok_or_else(|| {
                PyValueError::new_err(format!("'status' must be an int from 200 to 999, not {status}"))
            })?;
        let mut head = Self { status, headers: HeaderMap::new(), content_length: None };
        if let Some(headers) = message.get_item(intern!(py, "headers"))? {
            for header in headers.try_iter()? {
                let header = header?;
                let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = match header.extract() {
                    Ok(pair) => pair,
                    Err(_) => pair_of(&header)?,
                };
                let (name, value) = (header_bytes(&name, "name")?, header_bytes(&value, "value")?);
                head.add(name.as_bytes(), value.as_bytes())?;
            }
        }
        Ok(head)
    }

    /// Adds a header.
    ///
    /// # Errors
    ///
    /// `ValueError` for one that HTTP does not allow.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) -> PyResult<()> {
        let name = HeaderName::from_bytes(name).map_err(|_| {
            PyValueError::new_err(format!("illegal header name b\"{}\"", name.escape_ascii()))
        })?;
        // How a message is framed is the connection's business (ASGI: "servers should ignore transfer-encoding").
        if name == TRANSFER_ENCODING {
            return Ok(());
        }
        // Django's cookies have one, in WSGI.
        let value = without_margins(value);
        let value = HeaderValue::from_bytes(value).map_err(|_| {
            PyValueError::new_err(format!("illegal value for header {name}: b\"{}\"", value.escape_ascii()))
        })?;
        if name == CONTENT_LENGTH {
            // Digits alone: Rust would take a sign as well (RFC 9110 8.6).
            let length = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = length.and_then(|text| text.parse().ok());
            let length = length.filter(|length| self.content_length.is_none_or(|earlier| earlier == *length));
            self.content_length = Some(length.ok_or_else(|| {
                PyValueError::new_err(format!("content-length must be one decimal number, not {value:?}"))
            })?);
            self.headers.insert(name, value);
        } else {
            self.headers.append(name, value);
        }
        Ok(())
    }
}

/// A header as any iterable of two, which the specification allows.
fn pair_of<'py>(header: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let mut items = header.try_iter()?;
    match (items.next(), items.next(), items.next()) {
        (Some(name), Some(value), None) => Ok((name?, value?)),
        _ => Err(PyTypeError::new_err("each of 'headers' must be a pair of byte strings")),
    }
}

fn header_bytes<'a, 'py>(part: &'a Bound<'py, PyAny>, which: &str) -> PyResult<&'a Bound<'py, PyBytes>> {
    part.cast::<PyBytes>().map_err(|_| {
        PyTypeError::new_err(format!("a header's {which} must be bytes, not {}", type_name(part)))
    })
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

fn required<'py>(message: &Bound<'py, PyDict>, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    message.get_item(key)?.ok_or_else(|| PyKeyError::new_err(format!("the message has no '{key}'")))
}

/// `http.request`: a piece of the request's body.
pub(crate) fn request(py: Python<'_>, data: &[u8], more: bool) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
    message.set_item(intern!(py, "body"), PyBytes::new(py, data))?;
    message.set_item(intern!(py, "more_body"), more)?;
    Ok(message.into_any().unbind())
}

/// `http.disconnect`.
pub(crate) fn disconnect(py: Python<'_>) -> PyResult<Py<PyAny>> {
    only_type(py, intern!(py, "http.disconnect"))
}

/// A message that has a type and nothing else.
pub(crate) fn only_type(py: Python<'_>, kind: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), kind)?;
    Ok(message.into_any().unbind())
}
