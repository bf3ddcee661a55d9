//! The crate's contract: Connect in, gRPC behind, Connect out; everything else untouched.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod get;
mod property;
mod streams;
mod unary;
mod untouched;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response};
use narthex_connect::{ConnectLayer, Methods, Shape};
use narthex_protojson::Pool;
use narthex_wire::{Body, BoxError, Code, CollectError, Collected, Flow, Outcome, Status, unary_response};
use tower_layer::Layer as _;
use tower_service::Service;

/// google.rpc's error types are always in it.
static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::from_file_descriptor_set(b"").unwrap());

/// What the service behind the layer is asked.
type Asked = (http::request::Parts, Result<Collected, CollectError>);

#[derive(Clone)]
struct Behind<F>(F);

impl<F: Fn(Asked) -> Response<Body>> Service<Request<Body>> for Behind<F> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (head, body) = request.into_parts();
        ready(Ok((self.0)((head, body.collect(1 << 20).now_or_never().unwrap()))))
    }
}

/// Sends a request through the layer; messages have at most 1000 bytes.
fn send(
    request: Request<Body>,
    behind: impl Fn(Asked) -> Response<Body> + Clone + Send + 'static,
) -> Response<Body> {
    let methods = Methods::from_iter([
        ("/s.S/Get", Shape::Unary { safe: true }),
        ("/s.S/Set", Shape::Unary { safe: false }),
        ("/s.S/Stream", Shape::Stream),
    ]);
    let mut service = ConnectLayer::new(methods, POOL.clone(), 1000).layer(Behind(behind));
    service.call(request).now_or_never().expect("nothing here waits").unwrap()
}

fn read(response: Response<Body>) -> Bytes {
    let whole = response.into_body().collect(1 << 20).now_or_never().unwrap().unwrap();
    assert!(whole.trailers.is_none(), "Connect has no trailers");
    whole.data
}

fn json(response: Response<Body>) -> serde_json::Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(&read(response)).unwrap()
}

fn outcome(response: &Response<Body>) -> Option<Code> {
    assert_eq!(Flow::of(response), Flow::Connect);
    response.extensions().get::<Outcome>().and_then(Outcome::get)
}

/// Answers with the request's envelopes, and metadata at both ends.
fn echo((_, body): Asked) -> Response<Body> {
    let body = match body {
        Ok(body) => body.data,
        Err(error) => return Status::from(error).into_response(),
    };
    let header = |name: &'static str, value| HeaderMap::from_iter([(name.parse().unwrap(), value)]);
    let ending = Status::ok().with_metadata(header("x-trailing-bin", "AQI".parse().unwrap()));
    unary_response(body, header("x-initial", "i".parse().unwrap()), ending.into_trailers())
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    narthex_wire::Encoding::Gzip.compress(data, &mut out);
    out
}

fn stream(frames: Vec<Result<http_body::Frame<Bytes>, BoxError>>) -> Body {
    Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(frames)))
}
