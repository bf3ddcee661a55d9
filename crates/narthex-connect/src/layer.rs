//! The Tower layer.

use std::sync::Arc;

use narthex_protojson::Pool;
use tower_layer::Layer;

use crate::methods::Methods;
use crate::service::Connect;

/// Lets clients call a gRPC service by Connect.
#[derive(Debug, Clone)]
pub struct ConnectLayer {
    shared: Arc<Shared>,
}

/// What all requests read.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) methods: Methods,
    /// Knows the types of error details.
    pub(crate) pool: Pool,
    pub(crate) max_message: usize,
}

impl ConnectLayer {
    /// A layer for these methods; the message of a unary request has at most `max_message` bytes.
    pub fn new(methods: Methods, pool: Pool, max_message: usize) -> Self {
        Self { shared: Arc::new(Shared { methods, pool, max_message }) }
    }
}

impl<S> Layer<S> for ConnectLayer {
    type Service = Connect<S>;

    fn layer(&self, inner: S) -> Connect<S> {
        Connect { inner, shared: Arc::clone(&self.shared) }
    }
}
