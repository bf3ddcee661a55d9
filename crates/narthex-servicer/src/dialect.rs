//! Where grpc's two servers differ in how they tell a client that something went wrong.

use narthex_wire::Code;
use pyo3::prelude::*;

use crate::error::{class, text};

/// Which of them a servicer is to be taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// That of `grpc.aio.server`.
    #[default]
    Aio,
    /// That of `grpc.server`.
    Classic,
}

/// What was under way when an exception was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Looking for the method, through interceptors.
    Finding,
    Deserializing,
    Calling,
    /// Asking for the next response.
    Iterating,
    Serializing,
}

impl Dialect {
    /// The code of a call that ended so, if the handler has set none.
    pub(crate) fn code(self, doing: Doing) -> Code {
        match (self, doing) {
            (Self::Classic, Doing::Deserializing | Doing::Serializing) => Code::Internal,
            _ => Code::Unknown,
        }
    }

    /// Its details.
    pub(crate) fn details(self, py: Python<'_>, doing: Doing, error: &PyErr) -> String {
        match (self, doing) {
            (Self::Aio, _) => format!("Unexpected {}: {}", class(py, error), text(py, error)),
            (Self::Classic, Doing::Finding) => format!("Exception servicing handler: {}", text(py, error)),
            (Self::Classic, Doing::Deserializing) => "Exception deserializing request!".to_owned(),
            (Self::Classic, Doing::Calling) => format!("Exception calling application: {}", text(py, error)),
            (Self::Classic, Doing::Iterating) => {
                format!("Exception iterating responses: {}", text(py, error))
            }
            (Self::Classic, Doing::Serializing) => "Failed to serialize response!".to_owned(),
        }
    }

    /// Whether a handler that gives `None` where bytes are wanted has given an empty message.
    pub(crate) fn takes_none_for_empty(self) -> bool {
        self == Self::Aio
    }

    /// Whether a number is a status code, or only a `grpc.StatusCode` is.
    pub(crate) fn takes_numbers_for_codes(self) -> bool {
        self == Self::Aio
    }

    /// Whether a code that is set to `None` is none, or one that nobody knows.
    pub(crate) fn takes_none_for_ok(self) -> bool {
        self == Self::Classic
    }

    /// Whether `abort` answers, once and for all, or notes what the end of the handler answers with, so that a later one counts.
    pub(crate) fn aborts_at_once(self) -> bool {
        self == Self::Aio
    }

    /// Whether a compression that comes too late is refused, or has no effect.
    pub(crate) fn refuses_late_compression(self) -> bool {
        self == Self::Aio
    }

    /// Whether a coroutine's callbacks after one that has failed are left out.
    pub(crate) fn ends_callbacks_with_an_error(self) -> bool {
        self == Self::Aio
    }

    /// Whether a synchronous iterator that gives `None` has come to its end.
    pub(crate) fn ends_with_none(self) -> bool {
        self == Self::Classic
    }

    /// Whether details that the handler has set are sent in the place of those.
    pub(crate) fn prefers_the_handlers_details(self) -> bool {
        self == Self::Classic
    }
}
