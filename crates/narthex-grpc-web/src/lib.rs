//! gRPC-Web to gRPC and back.
//!
//! [`GrpcWebLayer`] stands in front of a gRPC service and lets browsers call it, over any version of HTTP
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>): the trailers, which browsers do not show, become the last
//! envelope of the body; in text mode all of it is base64. A message is never looked into, so every codec passes.
//!
//! It is *not* CORS, and not a JSON API.

#![forbid(unsafe_code)]

mod content_type;
pub mod decode;
mod encode;
mod layer;
mod service;

pub use layer::GrpcWebLayer;
pub use service::{GrpcWeb, ResponseFuture};
