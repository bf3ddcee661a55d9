//! A call's outcome, and its form in trailers.
//!
//! It is *not* google.rpc.Status: the details stay the serialized bytes that `grpc-status-details-bin` carries, and
//! whoever renders JSON decodes them.

use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};

use crate::body::{Body, CollectError};
use crate::code::Code;
use crate::{BoxError, metadata, names};

/// A gRPC status: code, message, details and other trailing metadata. One pointer wide.
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: String,
    details: Bytes,
    metadata: HeaderMap,
}

/// Constructors named after their code.
macro_rules! constructors {
    ($($name:ident $code:ident,)*) => {
        impl Status {
            $(
                #[doc = concat!("A status with [`Code::", stringify!($code), "`].")]
                pub fn $name(message: impl Into<String>) -> Self {
                    Self::new(Code::$code, message)
                }
            )*
        }
    };
}

constructors! {
    cancelled Cancelled,
    unknown Unknown,
    invalid_argument InvalidArgument,
    deadline_exceeded DeadlineExceeded,
    not_found NotFound,
    already_exists AlreadyExists,
    permission_denied PermissionDenied,
    resource_exhausted ResourceExhausted,
    failed_precondition FailedPrecondition,
    aborted Aborted,
    out_of_range OutOfRange,
    unimplemented Unimplemented,
    internal Internal,
    unavailable Unavailable,
    data_loss DataLoss,
    unauthenticated Unauthenticated,
}

impl Status {
    /// A status of this code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            details: Bytes::new(),
            metadata: HeaderMap::new(),
        }))
    }

    /// Success.
    pub fn ok() -> Self {
        Self::new(Code::Ok, String::new())
    }

    /// Adds a serialized google.rpc.Status, sent as `grpc-status-details-bin`.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<Bytes>) -> Self {
        self.0.details = details.into();
        self
    }

    /// Replaces the other trailing metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: HeaderMap) -> Self {
        self.0.metadata = metadata;
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message, decoded.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The serialized google.rpc.Status, or nothing.
    pub fn details(&self) -> &Bytes {
        &self.0.details
    }

    /// The other trailing metadata, as headers.
    pub fn metadata(&self) -> &HeaderMap {
        &self.0.metadata
    }

    /// The other trailing metadata, to add to.
    pub fn metadata_mut(&mut self) -> &mut HeaderMap {
        &mut self.0.metadata
    }

    /// The status as trailers: the metadata, `grpc-status` always, message and details where there are any.
    pub fn to_trailers(&self) -> HeaderMap {
        self.clone().into_trailers()
    }

    /// As [`Status::to_trailers`], without a copy.
    pub fn into_trailers(self) -> HeaderMap {
        let Inner { code, message, details, metadata: mut trailers } = *self.0;
        trailers.insert(&names::GRPC_STATUS, code.to_header());
        if !message.is_empty() {
            trailers.insert(&names::GRPC_MESSAGE, metadata::percent_encode_message(&message));
        }
        if !details.is_empty() {
            trailers.insert(&names::GRPC_STATUS_DETAILS, metadata::encode_bin(&details));
        }
        trailers
    }

    /// Reads a status from trailers or from a trailers-only head; `None` if there is no `grpc-status`.
    ///
    /// A `grpc-status` that is no known number is [`Code::Unknown`]; details that are not base64 are left out.
    pub fn from_trailers(trailers: &HeaderMap) -> Option<Self> {
        let code = Code::from_header(trailers.get(&names::GRPC_STATUS)?);
        if trailers.len() == 1 {
            // So ends nearly every call that succeeds.
            return Some(Self::new(code, String::new()));
        }
        let message = trailers
            .get(&names::GRPC_MESSAGE)
            .map(|value| metadata::percent_decode_message(value.as_bytes()).into_owned());
        let details = trailers
            .get(&names::GRPC_STATUS_DETAILS)
            .and_then(|value| metadata::decode_bin(value.as_bytes()).next())
            .and_then(Result::ok);
        let others = trailers.iter().filter(|(name, _)| {
            ![&names::GRPC_STATUS, &names::GRPC_MESSAGE, &names::GRPC_STATUS_DETAILS].contains(name)
        });
        Some(
            Self::new(code, message.unwrap_or_default())
                .with_details(details.unwrap_or_default())
                .with_metadata(others.map(|(name, value)| (name.clone(), value.clone())).collect()),
        )
    }

    /// What a failed body stream tells the other side: the status inside the error, else `CANCELLED`, since a
    /// request's body fails when its sender is gone.
    pub fn from_body_error(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(status) => *status,
            Err(error) => Self::cancelled(format!("the request's body could not be read: {error}")),
        }
    }

    /// A trailers-only gRPC response: one head, no body.
    pub fn into_response(self) -> Response<Body> {
        let mut headers = self.into_trailers();
        headers.insert(CONTENT_TYPE, names::APPLICATION_GRPC.clone());
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = headers;
        response
    }
}

impl From<CollectError> for Status {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::TooLarge { limit } => Self::resource_exhausted(format!(
                "the request's body is larger than the limit of {limit} bytes"
            )),
            CollectError::Body(error) => Self::from_body_error(error),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("details", &self.0.details)
            .field("metadata", &self.0.metadata)
            .finish()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl std::error::Error for Status {}
