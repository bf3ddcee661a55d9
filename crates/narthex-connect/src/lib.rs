//! Connect to gRPC and back.
//!
//! [`ConnectLayer`] stands in front of a gRPC service and speaks the Connect protocol
//! (<https://connectrpc.com/docs/protocol>) with its clients: unary calls as plain POST and GET, streams of every cardinality, over
//! any version of HTTP. A message is never looked into: one that is JSON goes on as gRPC with JSON.
//!
//! A request is Connect's if it says so (`connect-protocol-version`, a content type `application/connect+...`, or `connect=v1` in
//! the query of a GET) and its path is a method's. What is JSON without that is another layer's, whose errors look different.
//!
//! It is *not* CORS.

#![forbid(unsafe_code)]

mod error;
mod layer;
mod methods;
pub mod query;
mod request;
mod service;
mod stream;
mod unary;

pub use layer::ConnectLayer;
pub use methods::{Methods, Shape};
pub use service::{Connect, ResponseFuture};
