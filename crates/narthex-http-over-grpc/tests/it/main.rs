//! The crate's contract: calls from trusted peers reach the application as HTTP, and its answers come back.

mod descriptor;
mod http_body;
mod request;
mod response;
mod trust;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response};
use narthex_http_over_grpc::{HttpOverGrpc, HttpOverGrpcLayer, METHOD_PATH};
use narthex_wire::{Body, Connection, Endpoint, Flow, Origin, Status, Trailers, Trusted, envelope};
use prost::Message;
use tower_layer::Layer as _;
use tower_service::Service;

/// google.api.HttpBody as prost reads and writes it, to check ours against.
#[derive(Clone, PartialEq, Message)]
struct Oracle {
    #[prost(bytes = "vec", tag = "1")]
    content_type: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

/// An application: a function from request to response.
#[derive(Clone)]
struct App<F>(F);

impl<F: Fn(Request<Body>) -> Response<Body>> Service<Request<Body>> for App<F> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        std::future::ready(Ok((self.0)(request)))
    }
}

/// The layer over a gRPC service that knows no method.
fn stack<F>(
    app: F,
) -> HttpOverGrpc<impl Service<Request<Body>, Response = Response<Body>, Error = Infallible>, App<F>>
where
    F: Fn(Request<Body>) -> Response<Body> + Clone + Send + 'static,
{
    HttpOverGrpcLayer::new(App(app), Trusted::parse(["127.0.0.0/8", "::1"]).expect("both are peers"), 1000)
        .max_response(2000)
        .layer(App(|_| Status::unimplemented("Method not found!").into_response()))
}

/// A call as Envoy makes it, from loopback.
fn call(method: &str, path: &str, headers: &[(&str, &str)], body: &Oracle) -> Request<Body> {
    let mut request = Request::post(format!("http://shop.test{METHOD_PATH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .header("x-envoy-original-method", method)
        .header("x-envoy-original-path", path)
        .extension(origin("127.0.0.1:5"))
        .body(Body::full(envelope::encode(&body.encode_to_vec())))
        .expect("a valid request")
}

fn origin(peer: &str) -> Origin {
    let local = Endpoint::Tcp("127.0.0.1:8080".parse().expect("an address"));
    Origin::of(&Arc::new(Connection::plain(Endpoint::Tcp(peer.parse().expect("an address")), local)))
}

/// What the application sees of a call, body included.
fn seen(request: Request<Body>) -> Request<Bytes> {
    let seen = Arc::new(Mutex::new(None));
    let cell = Arc::clone(&seen);
    let app = move |request: Request<Body>| {
        let (head, body) = request.into_parts();
        let data = body.collect(usize::MAX).now_or_never().expect("ready").expect("no error").data;
        *cell.lock().expect("no panic") = Some(Request::from_parts(head, data));
        Response::new(Body::empty())
    };
    let reply = reply(stack(app), request);
    assert_eq!(reply.trailers["grpc-status"], "0", "{reply:?}");
    seen.lock().expect("no panic").take().expect("the application was called")
}

/// A call's reply, taken apart.
#[derive(Debug)]
struct Reply {
    headers: HeaderMap,
    body: Oracle,
    trailers: HeaderMap,
    flow: Flow,
}

fn reply<S>(mut service: S, request: Request<Body>) -> Reply
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Ok(response) = service.call(request).now_or_never().expect("every part is ready");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let flow = Flow::of(&response);
    let (head, body) = response.into_parts();
    let collected = body.collect(usize::MAX).now_or_never().expect("ready").expect("no error");
    let message = collected.data.get(envelope::PREFIX..).unwrap_or_default();
    Reply {
        body: Oracle::decode(message).expect("an HttpBody"),
        // Trailers-only: the head is the trailers.
        trailers: collected.trailers.map_or_else(|| head.headers.clone(), Trailers::into_map),
        headers: head.headers,
        flow,
    }
}
