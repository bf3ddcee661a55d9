//! The Tower layer.

use narthex_wire::encoding::Enabled;
use tower_layer::Layer;

use crate::messages::Messages;
use crate::service::GrpcJson;

/// Lets clients that write messages as JSON call a gRPC service that reads protobuf.
#[derive(Debug, Clone)]
pub struct GrpcJsonLayer {
    messages: Messages,
    max_message: usize,
    enabled: Enabled,
}

impl GrpcJsonLayer {
    /// A layer for methods with these messages; one of a request has at most `max_message` bytes, and may be compressed with what
    /// is `enabled`.
    pub fn new(messages: Messages, max_message: usize, enabled: Enabled) -> Self {
        Self { messages, max_message, enabled }
    }
}

impl<S> Layer<S> for GrpcJsonLayer {
    type Service = GrpcJson<S>;

    fn layer(&self, inner: S) -> GrpcJson<S> {
        let Self { messages, max_message, enabled } = self.clone();
        GrpcJson { inner, messages, max_message, enabled }
    }
}
