//! The way out: from what a handler did to the end of the response.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use narthex_pyrt::{Outcome, log_exception};
use narthex_wire::{Body, Code, Status, Trailers, names, unary_response};
use pyo3::prelude::*;

use super::{Call, Progress};
use crate::dialect::Doing;
use crate::error::{class_name, is_rpc_error};
use crate::method::Method;

/// The end of a response: all of it, where nothing was sent before.
pub(crate) struct Reply {
    pub(super) initial: HeaderMap,
    /// The envelope of a response that is one message; `None` where the status says it all, or the messages went
    /// out, or will, by themselves.
    pub(super) message: Option<Bytes>,
    pub(super) trailers: Trailers,
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
                *response.headers_mut() = self.trailers.into_map();
                response.headers_mut().insert(CONTENT_TYPE, names::APPLICATION_GRPC.clone());
                response
            }
        }
    }
}

impl From<Status> for Reply {
    fn from(status: Status) -> Self {
        Self { initial: HeaderMap::new(), message: None, trailers: status.into_trailers().into() }
    }
}

/// The reply to what the handler did; `None` where the call has ended before.
pub(super) fn finish(
    py: Python<'_>,
    call: &Call,
    method: &Method,
    doing: Doing,
    outcome: Outcome<'_>,
) -> Option<Reply> {
    match outcome {
        Outcome::Returned(value) => returned(call, method, &value),
        Outcome::Raised(error) => raised(py, call, doing, &error),
        Outcome::Cancelled => Some(status(call, Code::Cancelled, "the servicer method was cancelled")),
    }
}

fn returned(call: &Call, method: &Method, value: &Bound<'_, PyAny>) -> Option<Reply> {
    let py = value.py();
    let standing = call.standing(py);
    if let Some(abort) = standing.abort {
        let message = format!("Abort error unexpectedly suppressed by servicer method [{}]", call.path());
        log_exception(py, &message, &abort);
        return unless_answered(call, standing.progress);
    }
    if standing.progress != Progress::Open {
        return None;
    }
    if standing.code != Code::Ok || method.cardinality.response_streaming {
        // A status of the handler's wins, and the message is not sent at all: grpc.aio sends an empty one, which a
        // transcoder takes for the beginning of a good reply.
        return Some(set_status(call));
    }
    match method.serialize(call.host.options.dialect, value, |message| call.seal(message)) {
        Ok(Ok(envelope)) => Some(call.with_draft(|draft| {
            let mut initial = draft.take_unsent_initial().unwrap_or_default();
            draft.declare_encoding(&mut initial);
            Reply { initial, message: envelope, trailers: draft.take_trailers(Code::Ok, None) }
        })),
        Ok(Err(refused)) => Some(status(call, refused.code(), refused.message())),
        Err(error) => raised(py, call, Doing::Serializing, &error),
    }
}

fn raised(py: Python<'_>, call: &Call, doing: Doing, error: &PyErr) -> Option<Reply> {
    let standing = call.standing(py);
    match standing.abort {
        Some(abort) if abort.value(py).is(error.value(py)) => unless_answered(call, standing.progress),
        Some(_) => {
            log(py, call, error);
            unless_answered(call, standing.progress)
        }
        // How reading tells a synchronous handler that its client is gone.
        None if standing.progress == Progress::Cancelled && is_rpc_error(py, error) => None,
        None => Some(failed(py, call, doing, error)),
    }
}

/// What an abort has noted, where it did not answer at once.
fn unless_answered(call: &Call, progress: Progress) -> Option<Reply> {
    (progress == Progress::Open).then(|| set_status(call))
}

/// Logs an exception that no abort explains and makes a reply of it. A code that the handler had set stays.
pub(crate) fn failed(py: Python<'_>, call: &Call, doing: Doing, error: &PyErr) -> Reply {
    log(py, call, error);
    let dialect = call.host.options.dialect;
    let details = dialect.details(py, doing, error);
    call.with_draft(|draft| {
        let code = if draft.code() == Code::Ok { dialect.code(doing) } else { draft.code() };
        let own = dialect.prefers_the_handlers_details() && draft.details.is_some();
        Reply {
            initial: draft.take_unsent_initial().unwrap_or_default(),
            message: None,
            trailers: draft.take_trailers(code, (!own).then_some(&*details)),
        }
    })
}

fn log(py: Python<'_>, call: &Call, error: &PyErr) {
    let message =
        format!("Unexpected [{}] raised by servicer method [{}]", class_name(py, error), call.path());
    log_exception(py, &message, error);
}

/// A status in place of what the handler said, with its metadata.
pub(super) fn status(call: &Call, code: Code, details: &str) -> Reply {
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
