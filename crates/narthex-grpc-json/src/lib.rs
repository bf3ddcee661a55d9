//! gRPC whose messages are JSON (`application/grpc+json`) to gRPC whose messages are protobuf, and back.
//!
//! This is the one place where a codec is translated: gRPC-Web and Connect with JSON become gRPC with JSON first, by a look at
//! their envelopes alone, and then pass here as a gRPC client with a JSON codec does. Servicers see protobuf.
//!
//! It is *not* the JSON API of google.api.http, whose requests are no envelopes.

#![forbid(unsafe_code)]

mod layer;
mod messages;
mod recode;
mod service;

pub use layer::GrpcJsonLayer;
pub use messages::Messages;
pub use service::{GrpcJson, ResponseFuture};
