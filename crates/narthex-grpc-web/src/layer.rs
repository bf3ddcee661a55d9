//! The Tower layer.

use narthex_wire::Exposed;
use tower_layer::Layer;

use crate::service::GrpcWeb;

/// Lets browsers call a gRPC service by gRPC-Web.
#[derive(Debug, Clone, Default)]
pub struct GrpcWebLayer {
    exposed: Exposed,
}

impl GrpcWebLayer {
    /// A layer for these methods; to gRPC-Web the others do not exist.
    pub fn new(exposed: Exposed) -> Self {
        Self { exposed }
    }
}

impl<S> Layer<S> for GrpcWebLayer {
    type Service = GrpcWeb<S>;

    fn layer(&self, inner: S) -> GrpcWeb<S> {
        GrpcWeb { inner, exposed: self.exposed.clone() }
    }
}
