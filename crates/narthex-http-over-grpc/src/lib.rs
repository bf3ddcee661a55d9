//! HTTP carried in google.api.HttpBody to any HTTP service.
//!
//! Envoy's gRPC-JSON transcoder turns each HTTP request that no other method is bound to into the call
//! [`METHOD_PATH`], and its reply back into HTTP. This layer stands in front of the gRPC services, takes that call from
//! peers it trusts and hands the request inside to the web application.
//!
//! It is *not* a transcoder: our own never routes `/**` to this method, since it hands such requests to the application
//! as they are. And it does not decide who the client is: the edge has believed, or not, what the peer says of that.

#![forbid(unsafe_code)]

pub mod http_body;
pub mod request;
pub mod response;
pub mod service;

pub use service::{HttpOverGrpc, HttpOverGrpcLayer, ResponseFuture};

/// The service's full name.
pub const SERVICE: &str = "narthex.asgi.v1.AsgiService";

/// The path of the one method.
pub const METHOD_PATH: &str = "/narthex.asgi.v1.AsgiService/Handler";

/// The initial metadata that carries the application's status code; Envoy is configured to make it the `:status`.
pub const STATUS_HEADER: &str = "x-http-code";

/// A serialized google.protobuf.FileDescriptorSet of narthex/asgi/v1/asgi.proto and all that it imports.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/asgi.binpb"));
