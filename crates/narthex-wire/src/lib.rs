//! gRPC over HTTP: envelopes, status, metadata, timeouts and the body type all layers share.
//!
//! The facts of <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, once, for every crate that
//! reads or writes gRPC. Everything between the edge and the leaves speaks
//! `Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>` with this crate's [`Body`].
//!
//! It is *not* a server or a client: it opens no socket, runs no task and names no protobuf message.

#![forbid(unsafe_code)]

pub mod answered;
pub mod body;
pub mod code;
pub mod connection;
pub mod encoding;
pub mod envelope;
pub mod exposed;
pub mod kept;
pub mod metadata;
pub mod names;
pub mod outcome;
pub mod pieces;
pub mod protocol;
pub mod status;
pub mod timeout;
pub mod trailers;
pub mod trust;
pub mod unary;
pub mod upload;

pub use answered::Answered;
pub use body::{Body, CollectError, Collected};
pub use code::Code;
pub use connection::{
    AlternativeName, Asked, Carried, Client, ClientCertificate, Connection, Endpoint, Flow, Origin, Scheme,
    Security,
};
pub use encoding::{Accepted, Encoding, Undecodable};
pub use exposed::{Exposed, Selector};
pub use kept::Kept;
pub use outcome::Outcome;
pub use pieces::Pieces;
pub use protocol::{Codec, is_grpc};
pub use status::Status;
pub use trailers::Trailers;
pub use trust::{TrustError, Trusted};
pub use unary::{ReadUnary, UnaryReply, read_unary, unary_response};
pub use upload::{Receiving, Upload};

/// What a body stream fails with; a [`Status`] inside is what the other side is told.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
