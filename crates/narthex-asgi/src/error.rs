//! What an application is told by exception, and the answers given in an application's stead.

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use narthex_wire::Body;
use pyo3::create_exception;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

create_exception!(
    narthex,
    ClientDisconnected,
    PyOSError,
    "The client is gone, or the response is complete: nothing more can be sent."
);

/// What `send` raises once `receive` gives `http.disconnect` (ASGI HTTP specification, "Disconnected Client - send
/// exception").
pub(crate) fn disconnected() -> PyErr {
    ClientDisconnected::new_err("the client is gone, or the response is complete")
}

/// A plain-text answer of ours. What of the request's body was not read is of no use to anybody, so the connection closes
/// where that body is still open.
pub(crate) fn answer(status: StatusCode, text: &'static str, body_open: bool) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if body_open {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
