//! The seventeen status codes of gRPC, their names, and the one table to and from HTTP.

use std::fmt;

use http::{HeaderValue, StatusCode};

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum Code {
    /// Success.
    Ok = 0,
    /// The caller gave up.
    Cancelled = 1,
    /// An error of no known kind.
    Unknown = 2,
    /// The request is wrong whatever the state of the system.
    InvalidArgument = 3,
    /// Time ran out.
    DeadlineExceeded = 4,
    /// Something asked for does not exist.
    NotFound = 5,
    /// Something to be created exists.
    AlreadyExists = 6,
    /// The caller is known and may not.
    PermissionDenied = 7,
    /// A quota or limit is used up.
    ResourceExhausted = 8,
    /// The system is not in the state that this needs.
    FailedPrecondition = 9,
    /// Aborted, as by a conflict between transactions.
    Aborted = 10,
    /// Past the valid range.
    OutOfRange = 11,
    /// No such method.
    Unimplemented = 12,
    /// An invariant is broken.
    Internal = 13,
    /// Not now; a retry may work.
    Unavailable = 14,
    /// Data is lost or corrupt.
    DataLoss = 15,
    /// The caller is not known.
    Unauthenticated = 16,
}

/// Every code, at the index of its number.
const ALL: [(Code, &str, &str); 17] = [
    (Code::Ok, "0", "OK"),
    (Code::Cancelled, "1", "CANCELLED"),
    (Code::Unknown, "2", "UNKNOWN"),
    (Code::InvalidArgument, "3", "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "4", "DEADLINE_EXCEEDED"),
    (Code::NotFound, "5", "NOT_FOUND"),
    (Code::AlreadyExists, "6", "ALREADY_EXISTS"),
    (Code::PermissionDenied, "7", "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "8", "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "9", "FAILED_PRECONDITION"),
    (Code::Aborted, "10", "ABORTED"),
    (Code::OutOfRange, "11", "OUT_OF_RANGE"),
    (Code::Unimplemented, "12", "UNIMPLEMENTED"),
    (Code::Internal, "13", "INTERNAL"),
    (Code::Unavailable, "14", "UNAVAILABLE"),
    (Code::DataLoss, "15", "DATA_LOSS"),
    (Code::Unauthenticated, "16", "UNAUTHENTICATED"),
];

impl Code {
    /// The code of this number; a number that gRPC does not define is [`Code::Unknown`].
    pub fn from_i32(number: i32) -> Self {
        usize::try_from(number).ok().and_then(|index| ALL.get(index)).map_or(Self::Unknown, |entry| entry.0)
    }

    /// The code of a `grpc-status` value; anything but a decimal number that gRPC defines is [`Code::Unknown`].
    pub fn from_header(value: &HeaderValue) -> Self {
        ALL.iter().find(|entry| entry.1.as_bytes() == value.as_bytes()).map_or(Self::Unknown, |entry| entry.0)
    }

    /// The number as a `grpc-status` value; does not allocate.
    pub fn to_header(self) -> HeaderValue {
        HeaderValue::from_static(self.entry().1)
    }

    /// The name as google/rpc/code.proto spells it, `NOT_FOUND`.
    pub const fn name(self) -> &'static str {
        self.entry().2
    }

    const fn entry(self) -> &'static (Self, &'static str, &'static str) {
        // A code's number is its index, which a test checks.
        &ALL[self as usize]
    }

    /// The HTTP status that goes with this code, as google/rpc/code.proto gives it (499 is a client that gave up).
    pub fn http(self) -> StatusCode {
        match self {
            Self::Ok => StatusCode::OK,
            Self::Cancelled => StatusCode::from_u16(499).expect("499 is within the range of status codes"),
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => StatusCode::BAD_REQUEST,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists | Self::Aborted => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unknown | Self::Internal | Self::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
        }
    }

    /// What a *client* makes of a response that has no `grpc-status` (doc/http-grpc-status-mapping.md).
    ///
    /// Servers must not use this table.
    pub fn from_http(status: StatusCode) -> Self {
        match status.as_u16() {
            400 | 431 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

impl From<Code> for i32 {
    fn from(code: Code) -> Self {
        code as Self
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
