//! What can be wrong: at start with a schema, and with a request.

use std::fmt;

use http::StatusCode;
use narthex_protojson::ReadError;
use narthex_wire::{Code, Encoding, Status};

use crate::details;

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
    MediaType {
        given: String,
    },
    Encoding {
        given: String,
    },
    /// It says that it is compressed so, and is not.
    Compressed {
        encoding: Encoding,
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
    /// A field of a form; without a name, the form itself.
    Form {
        name: String,
        message: String,
    },
    /// A stream of messages that cannot be told apart.
    Stream {
        message: &'static str,
    },
    /// A field given twice.
    Collision {
        field: String,
    },
    /// The mask of a PATCH is not filled with paths of any length.
    Mask {
        field: String,
        limit: usize,
    },
}

impl Rejection {
    /// Of a form; a name is a stranger's, and is repeated at no great length.
    pub(crate) fn form(name: &str, message: impl Into<String>) -> Self {
        const LIMIT: usize = 80;
        let name = match name.char_indices().nth(LIMIT) {
            Some((end, _)) => format!("{}...", &name[..end]),
            None => name.to_owned(),
        };
        Self::Form { name, message: message.into() }
    }

    /// The HTTP status; where HTTP has a word of its own for it, that one, else what the code maps to.
    pub(crate) fn http(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType { .. } | Self::Encoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoute { .. } => Code::NotFound.http(),
            Self::Incomplete(status) => status.code().http(),
            Self::Compressed { .. }
            | Self::Path { .. }
            | Self::UnknownQuery { .. }
            | Self::Query { .. }
            | Self::Json(_)
            | Self::Form { .. }
            | Self::Stream { .. }
            | Self::Collision { .. }
            | Self::Mask { .. } => Code::InvalidArgument.http(),
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
            Rejection::MediaType { given } => Self::new(
                Code::InvalidArgument,
                format!("the body is {given}; application/json is always understood"),
            ),
            Rejection::Encoding { given } => Self::new(
                Code::InvalidArgument,
                format!("the body is encoded as {given}; gzip, br, zstd and deflate are understood"),
            ),
            Rejection::Compressed { encoding } => Self::new(
                Code::InvalidArgument,
                format!(
                    "the body says that its encoding is {}, and it cannot be decompressed so",
                    encoding.name()
                ),
            ),
            Rejection::TooLarge { limit } => {
                Self::new(Code::ResourceExhausted, format!("the body is larger than {limit} bytes"))
            }
            Rejection::Incomplete(status) => status,
            Rejection::Path { variable, message } => {
                violation(&variable, format!("path variable {variable:?}: {message}"), &message)
            }
            Rejection::UnknownQuery { name } => {
                violation(&name, format!("unknown query parameter {name:?}"), "the request has no such field")
            }
            Rejection::Query { name, message } => {
                violation(&name, format!("query parameter {name:?}: {message}"), &message)
            }
            Rejection::Json(error) => {
                violation(&error.path, format!("the body does not fit the request: {error}"), &error.message)
            }
            Rejection::Form { name, message } if name.is_empty() => {
                violation("", format!("the form cannot be read: {message}"), &message)
            }
            Rejection::Form { name, message } => {
                violation(&name, format!("form field {name:?}: {message}"), &message)
            }
            Rejection::Stream { message } => {
                violation("", format!("the body is no stream of messages: {message}"), message)
            }
            Rejection::Collision { field } => violation(
                &field,
                format!("{field} has one value in the body and another in the path or query"),
                "it is given twice",
            ),
            Rejection::Mask { field, limit } => violation(
                &field,
                format!(
                    "the names of all that the request updates are longer than {limit} bytes; give them in {field}, or fewer"
                ),
                "it is not filled with so much",
            ),
        }
    }
}

/// `INVALID_ARGUMENT` with a `google.rpc.BadRequest` that names the field, by its JSON path.
fn violation(field: &str, message: String, description: &str) -> Status {
    let details = details::bad_request(Code::InvalidArgument as i32, &message, field, description);
    Status::new(Code::InvalidArgument, message).with_details(details)
}
