//! What can be wrong: at start with a schema, and with a request.

use std::fmt;

use http::StatusCode;
use narthex_protojson::ReadError;
use narthex_wire::{Code, Status};

/// One thing wrong with the annotations of the hosted services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaProblem {
    /// The method and which of its bindings: `shop.v1.ShopService.GetBook, binding 2`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for SchemaProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.message, self.hint)
    }
}

/// Annotations from which no route table can be built; holds all their problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    problems: Vec<SchemaProblem>,
}

impl SchemaError {
    pub(crate) fn new(problems: Vec<SchemaProblem>) -> Self {
        Self { problems }
    }

    /// Everything that is wrong, in the order of the services and their methods.
    pub fn problems(&self) -> &[SchemaProblem] {
        &self.problems
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SchemaError {}

/// Why a request that matches a binding, or a path under an API prefix, is answered here and goes no further.
#[derive(Debug)]
pub(crate) enum Rejection {
    NoRoute {
        path: String,
    },
    Method {
        method: String,
        path: String,
    },
    /// A binding of a streaming method.
    Streaming {
        method: String,
    },
    MediaType {
        given: String,
    },
    Encoding {
        given: String,
    },
    TooLarge {
        limit: usize,
    },
    /// The body failed on its way; the status is what its sender is told.
    Incomplete(Status),
    Path {
        variable: String,
        message: String,
    },
    UnknownQuery {
        name: String,
    },
    Query {
        name: String,
        message: String,
    },
    Json(ReadError),
}

impl Rejection {
    /// The HTTP status; where HTTP has a word of its own for it, that one, else what the code maps to.
    pub(crate) fn http(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType { .. } | Self::Encoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoute { .. } => Code::NotFound.http(),
            Self::Streaming { .. } => Code::Unimplemented.http(),
            Self::Incomplete(status) => status.code().http(),
            Self::Path { .. } | Self::UnknownQuery { .. } | Self::Query { .. } | Self::Json(_) => {
                Code::InvalidArgument.http()
            }
        }
    }
}

impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NoRoute { path } => Self::new(Code::NotFound, format!("no method is bound to {path}")),
            Rejection::Method { method, path } => {
                Self::new(Code::Unimplemented, format!("no method is bound to {method} {path}"))
            }
            Rejection::Streaming { method } => Self::new(
                Code::Unimplemented,
                format!("{method} is a streaming method, and those are not served as JSON yet"),
            ),
            Rejection::MediaType { given } => Self::new(
                Code::InvalidArgument,
                format!("the body is {given}; it has to be application/json"),
            ),
            Rejection::Encoding { given } => Self::new(
                Code::InvalidArgument,
                format!("the body is encoded as {given}; send it without content-encoding"),
            ),
            Rejection::TooLarge { limit } => {
                Self::new(Code::ResourceExhausted, format!("the body is larger than {limit} bytes"))
            }
            Rejection::Incomplete(status) => status,
            Rejection::Path { variable, message } => {
                Self::new(Code::InvalidArgument, format!("path variable {variable:?}: {message}"))
            }
            Rejection::UnknownQuery { name } => {
                Self::new(Code::InvalidArgument, format!("unknown query parameter {name:?}"))
            }
            Rejection::Query { name, message } => {
                Self::new(Code::InvalidArgument, format!("query parameter {name:?}: {message}"))
            }
            Rejection::Json(error) => {
                Self::new(Code::InvalidArgument, format!("the body does not fit the request: {error}"))
            }
        }
    }
}
