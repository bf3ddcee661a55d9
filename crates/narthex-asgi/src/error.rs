//! What an application is told by exception, and the answers given in an application's stead.

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use narthex_wire::Body;
use pyo3::create_exception;
use pyo3::exceptions::{PyBaseExceptionGroup, PyOSError};
use pyo3::intern;
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

/// What an exception has to do with a client that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    No,
    /// It is what `send` raised, or a group of nothing else.
    Is,
    /// It was raised because of that, or while that was handled.
    Led,
}

impl Departure {
    pub(crate) fn of(py: Python<'_>, error: &PyErr) -> Self {
        if Self::is(error.value(py)) {
            return Self::Is;
        }
        let mut next = Self::before(error.value(py));
        // A chain is rarely longer, and one that an application has tied into a ring has to end.
        for _ in 0..16 {
            let Some(earlier) = next else { break };
            if Self::is(&earlier) {
                return Self::Led;
            }
            next = Self::before(&earlier);
        }
        Self::No
    }

    fn is(error: &Bound<'_, PyAny>) -> bool {
        if error.is_instance_of::<PyBaseExceptionGroup>() {
            let errors =
                error.getattr(intern!(error.py(), "exceptions")).and_then(|errors| errors.try_iter());
            return errors
                .is_ok_and(|mut errors| errors.all(|error| error.is_ok_and(|error| Self::is(&error))));
        }
        error.is_instance_of::<ClientDisconnected>()
    }

    fn before<'py>(error: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let py = error.py();
        [intern!(py, "__cause__"), intern!(py, "__context__")]
            .into_iter()
            .filter_map(|name| error.getattr(name).ok())
            .find(|earlier| !earlier.is_none())
    }
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
