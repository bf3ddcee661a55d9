//! The service behind the layer: it answers as a case scripts it, or echoes.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use narthex_wire::envelope::Decoder;
use narthex_wire::{Body, Code, Encoding, Status, envelope, is_grpc};
use serde_json::Value;
use tower_service::Service;

use super::case;

/// A gRPC call that came.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) messages: Vec<Bytes>,
}

#[derive(Clone)]
pub(super) struct Backend {
    script: Value,
    /// Whether messages of the request are the response's too, by the path of the method.
    echoes: fn(&str) -> bool,
    pub(super) call: Arc<Mutex<Option<Call>>>,
}

impl Backend {
    pub(super) fn new(script: Value, echoes: fn(&str) -> bool) -> Self {
        Self { script, echoes, call: Arc::default() }
    }

    fn answer(&self, call: &Call, failed: Option<Status>) -> Response<Body> {
        let script = &self.script;
        if let Some(status) = failed {
            return status.into_response();
        }
        if script["raw"].is_object() {
            return raw(&script["raw"]);
        }
        let mut data = BytesMut::new();
        match script["messages_b64"].as_array() {
            Some(messages) => {
                for message in messages {
                    data.extend(envelope::encode(&case::bytes(message)));
                }
            }
            None if (self.echoes)(&call.path) => {
                for message in &call.messages {
                    data.extend(envelope::encode(message));
                }
            }
            None => data.extend(envelope::encode(b"")),
        }
        let code = script["grpc_status"].as_i64().unwrap_or(0);
        let code = Code::from_header(&HeaderValue::from(code));
        let mut status = Status::new(code, script["grpc_message"].as_str().unwrap_or_default());
        if script["details_b64"].is_string() {
            status = status.with_details(case::bytes(&script["details_b64"]));
        }
        let mut initial = HeaderMap::new();
        for pair in script["initial_metadata"].as_array().into_iter().flatten() {
            let name = HeaderName::try_from(pair[0].as_str().unwrap()).unwrap();
            initial.append(name, HeaderValue::try_from(pair[1].as_str().unwrap()).unwrap());
        }
        narthex_wire::unary_response(data.freeze(), initial, status.into_trailers())
    }
}

/// A response whose bytes and headers the case writes out.
fn raw(raw: &Value) -> Response<Body> {
    let map = |pairs: &Value| -> HeaderMap {
        let pairs = pairs.as_array().into_iter().flatten();
        let pairs = pairs.filter(|pair| !pair[0].as_str().unwrap().starts_with(':'));
        pairs
            .map(|pair| {
                let name = HeaderName::try_from(pair[0].as_str().unwrap()).unwrap();
                (name, HeaderValue::try_from(pair[1].as_str().unwrap()).unwrap())
            })
            .collect()
    };
    let status = raw["headers"].as_array().into_iter().flatten().find(|pair| pair[0] == ":status");
    let mut frames: Vec<Result<http_body::Frame<Bytes>, std::io::Error>> = Vec::new();
    if raw["data_b64"].is_string() {
        frames.push(Ok(http_body::Frame::data(case::bytes(&raw["data_b64"]))));
    }
    if raw["trailers"].is_array() {
        frames.push(Ok(http_body::Frame::trailers(map(&raw["trailers"]))));
    }
    if !raw["reset"].is_null() {
        frames.push(Err(std::io::Error::other("the stream was reset")));
    }
    let mut response = Response::new(Body::new(StreamBody::new(futures_util::stream::iter(frames))));
    *response.headers_mut() = map(&raw["headers"]);
    if let Some(status) = status {
        *response.status_mut() = status[1].as_str().unwrap().parse().unwrap();
    }
    response
}

impl Service<Request<Body>> for Backend {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !is_grpc(request.headers()) {
            return ready(Ok(Response::builder().status(404).body(Body::full("not found")).unwrap()));
        }
        let path = request.uri().path().to_owned();
        let mut body = request.into_body();
        let mut decoder = Decoder::new(Encoding::Identity, usize::MAX);
        let mut messages = Vec::new();
        let mut failed = None;
        // Nothing here waits: every body is in memory.
        while let Some(frame) = body.frame().now_or_never().unwrap() {
            match frame {
                Ok(frame) => decoder.push(frame.into_data().unwrap()),
                Err(error) => failed = Some(Status::from_body_error(error)),
            }
            while let Some(message) = decoder.next().unwrap() {
                messages.push(message);
            }
        }
        let call = Call { path, messages };
        let response = self.answer(&call, failed);
        *self.call.lock().unwrap() = Some(call);
        ready(Ok(response))
    }
}

/// A body that comes in these pieces.
pub(super) fn pieces(pieces: &[Bytes]) -> Body {
    match pieces {
        [] => Body::empty(),
        [whole] => Body::full(whole.clone()),
        pieces => {
            let frames: Vec<Result<_, Infallible>> =
                pieces.iter().map(|piece| Ok(http_body::Frame::data(piece.clone()))).collect();
            Body::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
        }
    }
}
