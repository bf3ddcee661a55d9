//! The way out: from what a handler did to the response.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use narthex_pyrt::{Outcome, log_exception};
use narthex_wire::{Body, Code, Status, names, unary_response};
use pyo3::prelude::*;

use super::{Call, Progress};
use crate::error::{class_name, unexpected};
use crate::method::Method;

/// An answer.
pub(crate) struct Reply {
    initial: HeaderMap,
    /// The envelope; `None` where the status says it all.
    message: Option<Bytes>,
    trailers: HeaderMap,
}

impl Reply {
    /// A head, the message, and trailers. Without a message one head says it all (trailers-only), unless the handler sent
    /// initial metadata: clients take those of a lone head for trailing ones.
    pub(crate) fn into_response(self) -> Response<Body> {
        match self.message {
            Some(envelope) => unary_response(envelope, self.initial, self.trailers),
            None if !self.initial.is_empty() => unary_response(Bytes::new(), self.initial, self.trailers),
            None => {
                let mut response = Response::new(Body::empty());
                *response.headers_mut() = self.trailers;
                response.headers_mut().insert(CONTENT_TYPE, names::APPLICATION_GRPC.clone());
                response
            }
        }
    }
}

impl Reply {
    /// What comes after a head that was sent before: the envelope (empty where there is none), and the trailers.
    pub(super) fn into_rest(self) -> (Bytes, HeaderMap) {
        (self.message.unwrap_or_default(), self.trailers)
    }
}

impl From<Status> for Reply {
    fn from(status: Status) -> Self {
        Self { initial: HeaderMap::new(), message: None, trailers: status.into_trailers() }
    }
}

/// The reply to what the handler did; `None` where the call has ended before.
pub(super) fn finish(py: Python<'_>, call: &Call, method: &Method, outcome: Outcome<'_>) -> Option<Reply> {
    match outcome {
        Outcome::Returned(value) => returned(call, method, &value),
        Outcome::Raised(error) => raised(py, call, &error),
        Outcome::Cancelled => Some(status(call, Code::Cancelled, "the servicer method was cancelled")),
    }
}

fn returned(call: &Call, method: &Method, value: &Bound<'_, PyAny>) -> Option<Reply> {
    let py = value.py();
    let standing = call.standing(py);
    if let Some(abort) = standing.abort {
        let message = format!("Abort error unexpectedly suppressed by servicer method [{}]", call.path());
        log_exception(py, &message, &abort);
        return None;
    }
    if standing.progress != Progress::Open {
        return None;
    }
    if standing.code != Code::Ok {
        // The status wins, and the message is not sent at all: grpc.aio sends an empty one, which a transcoder takes for
        // the beginning of a good reply.
        return Some(set_status(call));
    }
    match method.serialize(value) {
        Ok(envelope) => Some(call.with_draft(|draft| Reply {
            initial: draft.take_unsent_initial().unwrap_or_default(),
            message: Some(envelope),
            trailers: draft.take_trailers(Code::Ok, None),
        })),
        Err(error) => raised(py, call, &error),
    }
}

fn raised(py: Python<'_>, call: &Call, error: &PyErr) -> Option<Reply> {
    match call.standing(py).abort {
        Some(abort) if abort.value(py).is(error.value(py)) => None,
        Some(_) => {
            log(py, call, error);
            None
        }
        None => Some(failed(py, call, error)),
    }
}

/// Logs an exception that no abort explains and makes a reply of it. A code that the handler had set stays.
pub(super) fn failed(py: Python<'_>, call: &Call, error: &PyErr) -> Reply {
    log(py, call, error);
    let code = match call.with_draft(|draft| draft.code()) {
        Code::Ok => Code::Unknown,
        code => code,
    };
    status(call, code, &unexpected(py, error))
}

fn log(py: Python<'_>, call: &Call, error: &PyErr) {
    let message =
        format!("Unexpected [{}] raised by servicer method [{}]", class_name(py, error), call.path());
    log_exception(py, &message, error);
}

/// A status in place of what the handler said, with its metadata.
fn status(call: &Call, code: Code, details: &str) -> Reply {
    call.with_draft(|draft| Reply {
        initial: draft.take_unsent_initial().unwrap_or_default(),
        message: None,
        trailers: draft.take_trailers(code, Some(details)),
    })
}

/// The status as the handler set it.
pub(crate) fn set_status(call: &Call) -> Reply {
    call.with_draft(|draft| {
        let code = draft.code();
        Reply {
            initial: draft.take_unsent_initial().unwrap_or_default(),
            message: None,
            trailers: draft.take_trailers(code, None),
        }
    })
}
