//! The Tower layer.

use tower_layer::Layer;

use crate::messages::Messages;
use crate::service::GrpcJson;

/// Lets clients that write messages as JSON call a gRPC service that reads protobuf.
#[derive(Debug, Clone)]
pub struct GrpcJsonLayer {
    messages: Messages,
    max_message: usize,
}

impl GrpcJsonLayer {
    /// A layer for methods with these messages; one of a request has at most `max_message` bytes.
    pub fn new(messages: Messages, max_message: usize) -> Self {
        Self { messages, max_message }
    }
}

impl<S> Layer<S> for GrpcJsonLayer {
    type Service = GrpcJson<S>;

    fn layer(&self, inner: S) -> GrpcJson<S> {
        GrpcJson { inner, messages: self.messages.clone(), max_message: self.max_message }
    }
}
