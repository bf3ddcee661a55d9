//! The Tower layer.

use std::sync::Arc;

use tower_layer::Layer;

use crate::options::Options;
use crate::route::RouteTable;
use crate::service::Transcode;

/// Puts the JSON API of a route table in front of a gRPC service.
///
/// The service behind must answer gRPC at the paths of the hosted methods; whatever else it answers (a web application)
/// it gets untouched.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use narthex_transcode::{Options, Pool, RouteTable, TranscodeLayer};
/// use tower_layer::Layer as _;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let descriptor_set = b"";
/// # let grpc = ();
/// let pool = Pool::from_file_descriptor_set(descriptor_set)?;
/// let routes = RouteTable::build(&pool, &["shop.v1.ShopService".to_owned()])?;
/// let service = TranscodeLayer::new(Arc::new(routes), Options::default()).layer(grpc);
/// # drop(service);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TranscodeLayer {
    pub(crate) shared: Arc<Shared>,
}

/// What all requests read.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: Arc<RouteTable>,
    pub(crate) options: Options,
}

impl TranscodeLayer {
    /// A layer of these routes and options.
    pub fn new(table: Arc<RouteTable>, options: Options) -> Self {
        Self { shared: Arc::new(Shared { table, options }) }
    }

    /// Whether requests of any HTTP method at this path are the JSON API's.
    pub fn owns(&self, path: &str) -> bool {
        self.shared.options.owns(path) || !self.shared.table.allowed(path).is_empty()
    }
}

impl<S> Layer<S> for TranscodeLayer {
    type Service = Transcode<S>;

    fn layer(&self, inner: S) -> Transcode<S> {
        Transcode { inner, shared: self.shared.clone() }
    }
}
