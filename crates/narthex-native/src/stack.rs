//! The stack: which layers a request passes, in which order.
//!
//! gRPC is the normal form. Each translator either turns a request into plain gRPC or leaves it alone; after them there are
//! two kinds of request, gRPC and everything else, and one dispatch chooses.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use narthex_asgi::AppService;
use narthex_connect::ConnectLayer;
use narthex_edge::{
    CatchLayer, CorsLayer, DeadlineLayer, Dispatch, HideLayer, Methods, ObserveLayer, Origins, Unknown,
};
use narthex_grpc_json::GrpcJsonLayer;
use narthex_grpc_web::GrpcWebLayer;
use narthex_http_over_grpc::HttpOverGrpcLayer;
use narthex_openapi::OpenApiLayer;
use narthex_protojson::Pool;
use narthex_reactor::Reactor;
use narthex_servicer::Servicer;
use narthex_services::{Services, ServicesLayer};
use narthex_transcode::{RouteTable, TranscodeLayer};
use narthex_upstream::{Directory, UpstreamsLayer};
use narthex_wire::{Body, Exposed, Trusted};
use parking_lot::RwLock;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tower::util::option_layer;
use tower_layer::Layer;
use tower_service::Service;

use crate::current::Current;

/// What the layers are made of.
pub(crate) struct Parts {
    /// What all of it is made from.
    pub(crate) pool: Pool,
    pub(crate) access_log: bool,
    /// Whose pages may call; `None` if no others than this server's.
    pub(crate) cors: Option<Origins>,
    /// What is public as gRPC, and as gRPC-Web.
    pub(crate) grpc: Exposed,
    pub(crate) grpc_web: Exposed,
    pub(crate) connect: ConnectLayer,
    pub(crate) grpc_json: GrpcJsonLayer,
    /// The description of the routes, if it is served.
    pub(crate) openapi: Option<OpenApiLayer>,
    pub(crate) routes: Arc<RouteTable>,
    pub(crate) transcode: narthex_transcode::Options,
    pub(crate) services: Services,
    /// Peers that may send HTTP inside gRPC, and how much of it; `None` if nobody may.
    pub(crate) http_over_grpc: Option<(Trusted, usize)>,
    pub(crate) servicer: Servicer,
    /// What is elsewhere, if anything is.
    pub(crate) upstreams: Option<Arc<Directory>>,
    /// What an upstream has still to tell, as those hear who ask for it.
    pub(crate) expected: Option<Arc<str>>,
    pub(crate) app: Option<AppService>,
    pub(crate) methods: Methods,
}

/// Puts the layers together, outermost first.
pub(crate) fn build(
    parts: Parts,
    reactor: &Reactor,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ use<> {
    // gRPC, innermost first: the user's servicers; services that are elsewhere; HTTP that comes inside gRPC; health and
    // reflection.
    let unknown = parts.upstreams.clone().map(|upstreams| Arc::new(move || upstreams.doubt()) as Unknown);
    let grpc = option_layer(parts.upstreams.map(UpstreamsLayer::new)).layer(parts.servicer);
    let over_grpc = parts.app.clone().zip(parts.http_over_grpc);
    let over_grpc = over_grpc.map(|(app, (trust, max_body))| HttpOverGrpcLayer::new(app, trust, max_body));
    let grpc = option_layer(over_grpc).layer(grpc);
    let grpc = ServicesLayer::new(parts.services).layer(grpc);

    let stack = Dispatch::new(grpc, parts.app, parts.methods.clone());
    let stack = stack.expecting(parts.expected).telling(unknown);
    // Counts from the instant of arrival, in normal form: a JSON request's deadline is a gRPC deadline by now.
    let stack = DeadlineLayer::new(reactor).layer(stack);
    // A bound HTTP route becomes its gRPC method; anything else passes untouched.
    let transcode = TranscodeLayer::new(parts.routes, parts.transcode);
    let stack = transcode.layer(stack);
    // gRPC whose messages are JSON becomes gRPC, whoever made it.
    let stack = parts.grpc_json.layer(stack);
    // Connect and gRPC-Web become gRPC, with the codec that they have.
    let stack = parts.connect.layer(stack);
    let stack = GrpcWebLayer::new(parts.grpc_web).layer(stack);
    // What gRPC does not show; the translators have lists of their own.
    let stack = option_layer((!parts.grpc.is_all()).then(|| HideLayer::new(parts.grpc))).layer(stack);
    // The description of the JSON API has a path of its own.
    let openapi = parts.openapi;
    let stack = option_layer(openapi.clone()).layer(stack);
    // Pages of other origins, at the paths that the translators own; the application's are its own business.
    let cors = parts.cors.map(|origins| {
        let methods = parts.methods;
        CorsLayer::new(origins, move |path| {
            methods.contains(path)
                || transcode.owns(path)
                || openapi.as_ref().is_some_and(|openapi| openapi.owns(path))
        })
    });
    let stack = option_layer(cors).layer(stack);
    // A panic anywhere below is a 500 and a logged bug, never the end of the process.
    let stack = CatchLayer.layer(stack);
    // Sees what the client really sent, and what it really gets.
    ObserveLayer::new(parts.access_log).layer(stack)
}

/// Puts another stack in the place of the one that serves.
pub(crate) type Renew = Arc<dyn Fn(Parts) + Send + Sync>;

/// The stack, and how it is replaced if it has upstreams, which may tell more than is known at the start.
pub(crate) fn renewable(
    parts: Parts,
    reactor: &Reactor,
) -> (
    impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + use<>,
    Option<Renew>,
) {
    if parts.upstreams.is_none() {
        return (Current::Fixed(build(parts, reactor)), None);
    }
    let current = Arc::new(RwLock::new(build(parts, reactor)));
    let (replaced, reactor) = (Arc::clone(&current), reactor.clone());
    let renew = Arc::new(move |parts| {
        let stack = build(parts, &reactor);
        let before = std::mem::replace(&mut *replaced.write(), stack);
        // Outside the lock.
        drop(before);
    });
    (Current::Renewed(current), Some(renew))
}

/// A `FileDescriptorSet` of the services that Narthex itself answers, with imports, and of what their errors may carry
/// (google.rpc). A file that two of them import is in it twice.
#[pyfunction]
pub(crate) fn builtin_descriptors(py: Python<'_>) -> Bound<'_, PyBytes> {
    // A `FileDescriptorSet` is one repeated field, so sets are joined by putting one behind the other.
    let ours = [narthex_services::DESCRIPTOR_SET, narthex_http_over_grpc::DESCRIPTOR_SET];
    PyBytes::new(py, &[narthex_protojson::BUILTIN_DESCRIPTOR_SET, &ours.concat()].concat())
}
