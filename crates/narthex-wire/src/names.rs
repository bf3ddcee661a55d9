//! The header names and fixed header values of gRPC, made once.
//!
//! Pass the names by reference to `HeaderMap::insert`: cloning one of these neither allocates nor hashes text.

use http::{HeaderName, HeaderValue};

/// `grpc-status`: the code, decimal, in the trailers or in a trailers-only head.
pub static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `grpc-message`: the percent-encoded message that goes with a status.
pub static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// `grpc-status-details-bin`: a serialized google.rpc.Status.
pub static GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// `grpc-timeout`: how long the caller waits.
pub static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// `grpc-encoding`: how messages whose compressed flag is set are compressed.
pub static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// `grpc-accept-encoding`: the encodings that the sender of this header can read.
pub static GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// `application/grpc`, the content type of every response we make.
pub static APPLICATION_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
