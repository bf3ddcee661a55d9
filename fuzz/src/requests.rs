//! Whole requests through all translators, in the order of the server's stack: what arrives as gRPC is a call of a method that
//! exists, with messages that parse; what goes back is well-formed in the client's protocol, and no client makes the JSON API fail.
//!
//! An input is written as in HTTP/1: `METHOD target`, lines of headers, an empty line, the body; lines end in LF.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use narthex_connect::{ConnectLayer, Shape};
use narthex_grpc_json::{GrpcJsonLayer, Messages};
use narthex_grpc_web::GrpcWebLayer;
use narthex_grpc_web::decode::Decoder as Base64;
use narthex_protojson::{Method as Rpc, WriteOptions, wire_to_json};
use narthex_transcode::{Options, RouteTable, TranscodeLayer};
use narthex_wire::encoding::Enabled;
use narthex_wire::envelope::{self, Decoder};
use narthex_wire::{Body, Encoding, Exposed, Status, is_grpc, unary_response};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::protos::POOL;

const SERVICE: &str = "shop.v1.ShopService";
/// Of a message.
const LIMIT: usize = 64 * 1024;

static METHODS: LazyLock<Vec<Rpc>> =
    LazyLock::new(|| POOL.service(SERVICE).expect("shop.proto declares it").methods().collect());

static TABLE: LazyLock<Arc<RouteTable>> =
    LazyLock::new(|| Arc::new(RouteTable::build(&POOL, &[SERVICE.to_owned()]).expect("it has no problems")));

static OPTIONS: LazyLock<[Options; 3]> = LazyLock::new(|| {
    let limits = Options { max_body: LIMIT, ..Options::default() };
    let strict = Options { refuse_collisions: true, api_prefixes: vec!["/api".to_owned()], ..limits.clone() };
    let fills = Options { fill_update_mask: true, plus_is_space: true, query_beside_body: true, ..limits };
    [strict, fills, Options { max_body: LIMIT, ..Options::envoy() }]
});

/// The target.
pub fn run(data: &[u8]) {
    for options in &*OPTIONS {
        let Some(request) = parse(data) else { return };
        answer(request, options.clone());
    }
}

fn parse(data: &[u8]) -> Option<Request<Body>> {
    let (line, mut rest) = cut(data);
    let (method, target) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target.parse::<Uri>().ok()?);
    loop {
        let (line, after) = cut(rest);
        rest = after;
        if line.is_empty() {
            return request.body(Body::full(Bytes::copy_from_slice(rest))).ok();
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
}

/// The first line, and what comes after it.
fn cut(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}

fn answer(request: Request<Body>, options: Options) {
    let shown = format!("{request:?}");
    let shape = |method: &Rpc| {
        let is_stream = method.is_client_streaming() || method.is_server_streaming();
        if is_stream { Shape::Stream } else { Shape::Unary { safe: method.name().starts_with("Get") } }
    };
    let connect = METHODS.iter().map(|method| (method.path(), shape(method))).collect();
    let stack = TranscodeLayer::new(TABLE.clone(), options).layer(Backend);
    let messages: Messages = METHODS.iter().cloned().collect();
    let stack = GrpcJsonLayer::new(messages, LIMIT, Enabled::ALL).layer(stack);
    let stack = ConnectLayer::new(connect, POOL.clone(), LIMIT).layer(stack);
    let mut stack = GrpcWebLayer::new(Exposed::default()).layer(stack);

    let is_head = request.method() == Method::HEAD;
    // Whoever speaks Connect or gRPC has its codes: what cannot be decompressed is INTERNAL there. Connect is spoken at the paths of
    // methods only.
    let path = request.uri().path();
    let speaks_connect = request.headers().contains_key("connect-protocol-version")
        && METHODS.iter().any(|method| method.path() == path);
    let is_json_api = TABLE.find(request.method(), path).is_some() && !speaks_connect;
    let response = at_once(stack.call(request)).expect("services answer");
    let (head, body) = response.into_parts();
    let body = at_once(body.collect(usize::MAX));
    let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // A stream that has begun can only be cut off; an answer to HEAD is a head.
    let Ok(body) = body else { return };
    if is_head {
        return;
    }
    if kind == b"application/json" && !head.headers.contains_key("content-encoding") {
        serde_json::from_slice::<serde_json::Value>(&body.data)
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
    } else if kind.starts_with(b"application/connect+") {
        assert_eq!(flags(body.data.clone()).last(), Some(&2), "{shown}: the last envelope ends the stream");
    } else if kind.starts_with(b"application/grpc-web-text") {
        let mut base64 = Base64::default();
        let mut data = base64.push(&body.data).expect("the answer is base64");
        data.extend(base64.finish().expect("the answer is base64"));
        ends_web(data.into(), &head.headers, &shown);
    } else if kind.starts_with(b"application/grpc-web") {
        ends_web(body.data.clone(), &head.headers, &shown);
    }
    if is_json_api && !is_grpc(&head.headers) {
        let blames_server = head.status.is_server_error() && head.status != StatusCode::NOT_IMPLEMENTED;
        assert!(!blames_server, "{shown}: {} {}", head.status, String::from_utf8_lossy(&body.data));
    }
}

/// What a future comes to that waits for nobody; it may let others have their turn.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(woken.0.swap(false, Relaxed), "nothing here waits");
    }
}

fn ends_web(data: Bytes, headers: &HeaderMap, shown: &str) {
    let ended = flags(data).last() == Some(&0x80);
    assert!(ended || headers.contains_key("grpc-status"), "{shown}: there is no status");
}

/// The flags of envelopes, all of which are whole.
fn flags(mut data: Bytes) -> Vec<u8> {
    let mut flags = Vec::new();
    while let Some((flag, _)) = envelope::split_first(&mut data) {
        flags.push(flag);
    }
    assert!(data.is_empty(), "something is left after the last envelope");
    flags
}

/// Holds a call against its method, and answers with an empty message; an application where there is no call.
#[derive(Clone)]
struct Backend;

impl Service<Request<Body>> for Backend {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !is_grpc(request.headers()) {
            return ready(Ok(Response::new(Body::full("the application"))));
        }
        ready(Ok(match call(request) {
            Ok(()) => unary_response(envelope::encode(b""), HeaderMap::new(), Status::ok().into_trailers()),
            Err(status) => status.into_response(),
        }))
    }
}

/// What a servicer does of a call, in which a translator has had no hand if it was gRPC from the beginning.
fn call(request: Request<Body>) -> Result<(), Status> {
    let path = request.uri().path();
    let method =
        METHODS.iter().find(|method| method.path() == path).ok_or_else(|| Status::unimplemented(path))?;
    let mut decoder = Decoder::new(Encoding::from_headers(request.headers())?, LIMIT);
    // A stream has no limit but that of its messages, and may be a bomb.
    let body = at_once(request.into_body().collect(256 * LIMIT))?;
    decoder.push(body.data);
    while let Some(message) = decoder.next()? {
        let mut json = Vec::new();
        wire_to_json(&method.input(), &message, &WriteOptions::default(), &mut json)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
    }
    decoder.finish()
}
