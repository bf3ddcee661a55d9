//! What a handler has said of its reply so far: code, details and metadata.

use http::HeaderMap;
use narthex_wire::{Code, Encoding, Trailers, metadata, names};
use pyo3::prelude::*;

use crate::metadata::Sent;

/// The reply in the making.
#[derive(Default)]
pub(crate) struct Draft {
    code: Option<Code>,
    /// What `set_code` was given, which `code()` returns.
    pub(crate) code_object: Option<Py<PyAny>>,
    pub(crate) details: Option<String>,
    pub(crate) trailing: Option<Sent>,
    initial: Initial,
    /// What messages are compressed with; the client can read it.
    encoding: Encoding,
    /// The next message is sent as it is.
    uncompressed: bool,
    /// The exception that `abort` raised.
    pub(crate) abort: Option<Py<PyAny>>,
}

/// The initial metadata.
#[derive(Default)]
enum Initial {
    /// `send_initial_metadata` was not called.
    #[default]
    Unset,
    /// It was, and they wait for the response to begin.
    Set(HeaderMap),
    /// The response has begun with them.
    Sent,
}

/// What `abort` was called with.
pub(crate) struct Abort {
    pub(crate) code: Code,
    pub(crate) code_object: Py<PyAny>,
    /// `None` leaves what was set before.
    pub(crate) details: Option<String>,
    pub(crate) trailing: Sent,
    pub(crate) exception: Py<PyAny>,
}

/// Python objects that a change has put out of use, to be dropped outside the lock.
#[must_use = "to be dropped once the lock is released"]
pub(crate) struct Replaced(
    #[expect(dead_code, reason = "held to be dropped")] (Option<Py<PyAny>>, Option<Sent>, Option<Py<PyAny>>),
);

impl Draft {
    pub(crate) fn code(&self) -> Code {
        self.code.unwrap_or(Code::Ok)
    }

    pub(crate) fn set_code(&mut self, code: Code, object: Py<PyAny>) -> Replaced {
        self.code = Some(code);
        Replaced((self.code_object.replace(object), None, None))
    }

    pub(crate) fn cancel(&mut self) {
        self.code = Some(Code::Cancelled);
    }

    pub(crate) fn set_trailing(&mut self, trailing: Sent) -> Replaced {
        Replaced((None, self.trailing.replace(trailing), None))
    }

    /// Whether `send_initial_metadata` was called.
    pub(crate) fn has_initial(&self) -> bool {
        !matches!(self.initial, Initial::Unset)
    }

    /// `false` if it was called before.
    pub(crate) fn set_initial(&mut self, initial: HeaderMap) -> bool {
        if self.has_initial() {
            return false;
        }
        self.initial = Initial::Set(initial);
        true
    }

    /// The response begins, without initial metadata where none were set.
    pub(crate) fn begin(&mut self) {
        if !self.has_initial() {
            self.initial = Initial::Set(HeaderMap::new());
        }
    }

    pub(crate) fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    pub(crate) fn leave_next_uncompressed(&mut self) {
        self.uncompressed = true;
    }

    /// What the next message is compressed with.
    pub(crate) fn next_encoding(&mut self) -> Encoding {
        if std::mem::take(&mut self.uncompressed) { Encoding::Identity } else { self.encoding }
    }

    /// Says in the head of a response what its messages are compressed with.
    pub(crate) fn declare_encoding(&self, head: &mut HeaderMap) {
        if self.encoding != Encoding::Identity {
            head.insert(&names::GRPC_ENCODING, self.encoding.to_header());
        }
    }

    /// The initial metadata that wait to be sent.
    pub(crate) fn take_unsent_initial(&mut self) -> Option<HeaderMap> {
        match &mut self.initial {
            Initial::Set(initial) => {
                let initial = std::mem::take(initial);
                self.initial = Initial::Sent;
                Some(initial)
            }
            Initial::Unset | Initial::Sent => None,
        }
    }

    /// Empty metadata leave what was set before.
    pub(crate) fn set_abort(&mut self, abort: Abort) -> Replaced {
        self.code = Some(abort.code);
        let code = self.code_object.replace(abort.code_object);
        if abort.details.is_some() || self.details.is_none() {
            self.details = Some(abort.details.unwrap_or_default());
        }
        let unused = if self.trailing.is_none() || !abort.trailing.is_empty() {
            self.trailing.replace(abort.trailing)
        } else {
            Some(abort.trailing)
        };
        Replaced((code, unused, self.abort.replace(abort.exception)))
    }

    /// The trailers for this outcome: trailing metadata, status, and details where there are any.
    pub(crate) fn take_trailers(&mut self, code: Code, details: Option<&str>) -> Trailers {
        let trailing = self.trailing.as_mut().map(|trailing| std::mem::take(&mut trailing.headers));
        let details = details.or(self.details.as_deref()).filter(|details| !details.is_empty());
        if code == Code::Ok && trailing.is_none() && details.is_none() {
            return Trailers::OK;
        }
        let mut trailers = trailing.unwrap_or_default();
        trailers.insert(&names::GRPC_STATUS, code.to_header());
        if let Some(details) = details {
            trailers.insert(&names::GRPC_MESSAGE, metadata::percent_encode_message(details));
        }
        trailers.into()
    }
}
