//! The crate's contract: health and reflection as gRPC's own clients know them.

mod discovery;
mod health;
mod reflection;
mod service;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response};
use narthex_protojson::Pool;
use narthex_services::{DESCRIPTOR_SET, Services, ServicesLayer, WithServices};
use narthex_wire::{Body, Status, envelope};
use prost::Message;
use tower_layer::Layer as _;
use tower_service::Service;

/// A gRPC service that knows no method.
#[derive(Clone)]
struct Unknown;

impl Service<Request<Body>> for Unknown {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Status::unimplemented("Method not found!").into_response()))
    }
}

fn over(services: &Services) -> WithServices<Unknown> {
    ServicesLayer::new(services.clone()).layer(Unknown)
}

/// Services of a program that registered these.
fn services(registered: &[&str]) -> Services {
    let registered: Vec<String> = registered.iter().map(|name| (*name).to_owned()).collect();
    Services::new(&pool(), &registered, true)
}

fn pool() -> Pool {
    Pool::from_file_descriptor_set(&reflection::files().encode_to_vec()).expect("the files are valid")
}

fn request(path: &str, body: Body) -> Request<Body> {
    Request::post(path).header("content-type", "application/grpc").body(body).expect("a valid request")
}

fn respond(services: &Services, request: Request<Body>) -> Response<Body> {
    let Ok(response) = over(services).call(request).now_or_never().expect("nothing to wait for");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    response
}

/// A unary call: the reply's message, or the status's code and message.
fn unary<M: Message + Default>(
    services: &Services,
    path: &str,
    message: &impl Message,
) -> Result<M, (String, String)> {
    let body = Body::full(envelope::encode(&message.encode_to_vec()));
    let (head, body) = respond(services, request(path, body)).into_parts();
    let collected = body.collect(usize::MAX).now_or_never().expect("ready").expect("no error");
    let trailers = collected.trailers.as_deref().unwrap_or(&head.headers);
    if trailers["grpc-status"] == "0" {
        return Ok(M::decode(&collected.data[envelope::PREFIX..]).expect("the reply parses"));
    }
    let text = |name: &str| trailers[name].to_str().expect("ASCII").to_owned();
    Err((text("grpc-status"), text("grpc-message")))
}

/// What a stream gives now: a message, the trailers, its end, or nothing yet.
#[derive(Debug, PartialEq)]
enum Next<M> {
    Message(M),
    Trailers(HeaderMap),
    End,
    Pending,
}

fn next<M: Message + Default>(body: &mut Body) -> Next<M> {
    next_with(body, &mut Context::from_waker(std::task::Waker::noop()))
}

fn next_with<M: Message + Default>(body: &mut Body, cx: &mut Context<'_>) -> Next<M> {
    match http_body::Body::poll_frame(Pin::new(body), cx) {
        Poll::Ready(Some(frame)) => match frame.expect("no error").into_data() {
            Ok(data) => Next::Message(M::decode(&data[envelope::PREFIX..]).expect("the message parses")),
            Err(frame) => Next::Trailers(frame.into_trailers().expect("trailers")),
        },
        Poll::Ready(None) => Next::End,
        Poll::Pending => Next::Pending,
    }
}

fn code<M>(next: &Next<M>) -> &str {
    match next {
        Next::Trailers(trailers) => trailers["grpc-status"].to_str().expect("ASCII"),
        _ => "",
    }
}

/// The names of the files in [`DESCRIPTOR_SET`].
fn own_files() -> prost_types::FileDescriptorSet {
    prost_types::FileDescriptorSet::decode(Bytes::from_static(DESCRIPTOR_SET)).expect("it parses")
}
