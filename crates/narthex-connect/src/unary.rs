//! Unary calls: the message alone in the body, the status in the head.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, request};
use narthex_wire::names::GRPC_ENCODING;
use narthex_wire::unary::Message;
use narthex_wire::{
    Body, Code, Codec, Encoding, Flow, Outcome, Status, UnaryReply, envelope, is_grpc, metadata,
};

use crate::error::error;
use crate::layer::Shared;
use crate::query::Query;
use crate::request::Said;

/// A POST as the gRPC call that it stands for.
pub(crate) async fn post(
    mut head: request::Parts,
    body: Body,
    codec: Codec,
    shared: &Shared,
) -> Result<Request<Body>, Status> {
    let said = Said::take(&mut head.headers, false);
    let encoding = said.encoding()?;
    said.write(&mut head, codec, false)?;
    let message = body.collect(shared.max_message).await?.data;
    Ok(call(head, &Message { encoding, data: message }))
}

/// A GET as the gRPC call that it stands for.
pub(crate) fn get(mut head: request::Parts, query: Query, shared: &Shared) -> Result<Request<Body>, Status> {
    if query.message.len() > shared.max_message {
        let (len, limit) = (query.message.len(), shared.max_message);
        return Err(Status::resource_exhausted(format!(
            "a message of {len} bytes is larger than the limit of {limit} bytes"
        )));
    }
    Said::take(&mut head.headers, false).write(&mut head, query.codec, false)?;
    Ok(call(head, &Message { encoding: query.encoding, data: query.message.into() }))
}

fn call(mut head: request::Parts, message: &Message) -> Request<Body> {
    // Nothing is nothing, however it is said to be compressed.
    let compressed = message.encoding != Encoding::Identity && !message.data.is_empty();
    if compressed {
        head.headers.insert(&GRPC_ENCODING, message.encoding.to_header());
    }
    let prefix = envelope::prefix(message.data.len(), compressed);
    Request::from_parts(head, Body::full([&prefix[..], &message.data].concat()))
}

/// A gRPC response as the answer to a unary call; what is not gRPC stays as it is.
pub(crate) async fn from_grpc(response: Response<Body>, codec: Codec, shared: &Shared) -> Response<Body> {
    if !is_grpc(response.headers()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let mut extensions = std::mem::take(&mut head.extensions);
    let UnaryReply { initial, status, message } = UnaryReply::read(head, body).await;
    let mut response = match message {
        Some(message) => success(message, codec),
        None => failure(&status, shared),
    };
    let headers = response.headers_mut();
    for (name, value) in metadata(&initial) {
        headers.append(name, value.clone());
    }
    for (name, value) in metadata(status.metadata()) {
        let name = HeaderName::try_from(format!("trailer-{name}"));
        headers.append(name.expect("a header's name with more before it is one"), value.clone());
    }
    let outcome = Outcome::default();
    outcome.set(status.code());
    extensions.insert(outcome);
    extensions.insert(Flow::Connect);
    *response.extensions_mut() = extensions;
    response
}

fn success(message: Message, codec: Codec) -> Response<Body> {
    let mut response = Response::new(Body::full(message.data));
    let content_type = match codec {
        Codec::Proto => "application/proto",
        Codec::Json => "application/json",
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if message.encoding != Encoding::Identity {
        response.headers_mut().insert(CONTENT_ENCODING, message.encoding.to_header());
    }
    response
}

fn failure(status: &Status, shared: &Shared) -> Response<Body> {
    let json = Bytes::from(error(status, &shared.pool).to_string());
    let mut response = Response::new(Body::full(json));
    *response.status_mut() = match status.code() {
        // Not an error's code, and yet there was no answer.
        Code::Ok => Code::Unknown.http(),
        code => code.http(),
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What a servicer says. Its `content-encoding` is gRPC's metadata, and would be HTTP's word on the message here.
fn metadata(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    headers.iter().filter(|(name, _)| *name != CONTENT_ENCODING && !metadata::is_reserved(name.as_str()))
}
