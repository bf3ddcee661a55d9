//! The crate's contract: gRPC-Web in, gRPC behind, gRPC-Web out; everything else untouched.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod base64;
mod layer;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use narthex_grpc_web::GrpcWebLayer;
use narthex_wire::{Body, BoxError, Collected, Exposed};
use tower_layer::Layer as _;
use tower_service::Service;

/// What the service behind the layer is asked: the head, and the body or what it failed with.
type Asked = (http::request::Parts, Result<Collected, narthex_wire::CollectError>);

/// A gRPC service made of a function.
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
        let body = body.collect(1 << 20).now_or_never().expect("test bodies are ready");
        ready(Ok((self.0)((head, body))))
    }
}

/// Sends a request through the layer.
fn send(
    exposed: Exposed,
    request: Request<Body>,
    behind: impl Fn(Asked) -> Response<Body>,
) -> Response<Body> {
    let mut service = GrpcWebLayer::new(exposed).layer(Behind(behind));
    service.call(request).now_or_never().expect("nothing here waits").unwrap()
}

/// A response's body in its pieces, and nothing else.
fn pieces(mut body: Body) -> Vec<Bytes> {
    std::iter::from_fn(|| body.frame().now_or_never().unwrap())
        .map(|frame| frame.unwrap().into_data().expect("gRPC-Web has no trailers"))
        .collect()
}

/// A body that is not in memory, of these frames.
fn stream(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Body {
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

/// The lines of an envelope of trailers.
fn trailers(envelope: &[u8]) -> HeaderMap {
    assert_eq!(envelope[0], 0x80);
    assert_eq!(u32::from_be_bytes(envelope[1..5].try_into().unwrap()) as usize, envelope.len() - 5);
    let text = std::str::from_utf8(&envelope[5..]).unwrap().strip_suffix("\r\n").unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse().unwrap(), value.parse().unwrap())
    };
    text.split("\r\n").map(pair).collect()
}
