//! The shop, a backend that answers for it, and what a client sees.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use narthex_protojson::{Pool, ReadOptions, WriteOptions, json_to_wire, wire_to_json};
use narthex_transcode::{Options, RouteTable, SchemaError, TranscodeLayer};
use narthex_wire::{
    Body, BoxError, Connection, Endpoint, Flow, Origin, Status, envelope, is_grpc, unary_response,
};
use serde_json::Value;
use tower_layer::Layer as _;
use tower_service::Service;

/// Compiles one proto file; google.api and the well-known types are the pool's own.
pub(crate) fn compile(name: &str, source: &str) -> Pool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let builtin = folder.join("../narthex-protojson/proto");
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(One(name.to_owned(), source.to_owned()));
    resolver.add(protox::file::IncludeFileResolver::new(builtin));
    resolver.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.open_file(name).unwrap();
    Pool::from_file_descriptor_set(&compiler.encode_file_descriptor_set()).unwrap()
}

struct One(String, String);

impl protox::file::FileResolver for One {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        if name != self.0 {
            return Err(protox::Error::file_not_found(name));
        }
        protox::file::File::from_source(name, &self.1)
    }
}

pub(crate) static POOL: LazyLock<Pool> = LazyLock::new(|| compile("shop.proto", include_str!("shop.proto")));

pub(crate) static TABLE: LazyLock<Arc<RouteTable>> =
    LazyLock::new(|| Arc::new(table(&POOL, &["shop.v1.ShopService"]).unwrap()));

pub(crate) fn table(pool: &Pool, services: &[&str]) -> Result<RouteTable, SchemaError> {
    RouteTable::build(pool, &services.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
}

/// A request that reached the service behind the layer.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) request: http::request::Parts,
    pub(crate) body: Bytes,
    /// What the body failed with.
    pub(crate) failed: Option<Status>,
}

/// A message as wire.
pub(crate) fn wire(full_name: &str, json: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    let kind = POOL.message(full_name).unwrap();
    json_to_wire(&kind, json.as_bytes(), &ReadOptions::default(), &mut wire).unwrap();
    wire
}

/// A service of one function.
pub(crate) struct Answering<F>(pub(crate) Arc<F>);

impl<F> Clone for Answering<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: Fn(Request<Body>) -> Response<Body>> Service<Request<Body>> for Answering<F> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok((self.0)(request)))
    }
}

impl Seen {
    /// The one message of a gRPC request, as JSON.
    pub(crate) fn message(&self, full_name: &str) -> Value {
        assert_eq!(self.body[..5], envelope::prefix(self.body.len() - 5, false));
        let mut json = Vec::new();
        let kind = POOL.message(full_name).unwrap();
        wire_to_json(&kind, &self.body[5..], &WriteOptions::default(), &mut json).unwrap();
        serde_json::from_slice(&json).unwrap()
    }
}

/// What there is of a body, and what it failed with; nothing here waits.
pub(crate) fn read(mut body: Body) -> (Bytes, Option<BoxError>) {
    let mut data = BytesMut::new();
    while let Some(frame) = body.frame().now_or_never().expect("nothing here waits") {
        match frame {
            Ok(frame) => data.extend(frame.into_data().unwrap_or_default()),
            Err(error) => return (data.freeze(), Some(error)),
        }
    }
    (data.freeze(), None)
}

type Answer = dyn Fn(&Seen) -> Response<Body> + Send + Sync;

/// The service behind: gRPC is answered by `answer`, all else with a plain 200.
#[derive(Clone)]
struct Backend {
    seen: Arc<Mutex<Option<Seen>>>,
    answer: Arc<Answer>,
}

impl Service<Request<Body>> for Backend {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (request, body) = request.into_parts();
        let (body, failed) = read(body);
        let seen = Seen { request, body, failed: failed.map(Status::from_body_error) };
        let response = if is_grpc(&seen.request.headers) {
            (self.answer)(&seen)
        } else {
            Response::new(Body::full("the application"))
        };
        *self.seen.lock().unwrap() = Some(seen);
        ready(Ok(response))
    }
}

/// What a client gets, and what the service behind saw.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What cut the body off.
    pub(crate) cut: Option<String>,
    pub(crate) flow: Flow,
    pub(crate) seen: Option<Seen>,
}

impl Exchange {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The message that the gRPC method at `path` got.
    pub(crate) fn called(&self, method: &str, message: &str) -> Value {
        let seen = self.seen.as_ref().unwrap_or_else(|| panic!("nothing was called: {self:?}"));
        assert_eq!(seen.request.uri.to_string(), format!("/shop.v1.ShopService/{method}"));
        seen.message(message)
    }

    /// The code and message of an error that never reached the service behind.
    pub(crate) fn refused(&self, status: u16) -> (i64, String) {
        assert!(self.seen.is_none(), "{self:?}");
        assert_eq!(self.status, status, "{self:?}");
        let json = self.json();
        (json["code"].as_i64().unwrap(), json["message"].as_str().unwrap().to_owned())
    }
}

/// A request as an edge hands it on.
pub(crate) fn from_edge(mut request: Request<Body>) -> Request<Body> {
    let connection = Connection::plain(Endpoint::Unix(None), Endpoint::Unix(None));
    request.extensions_mut().insert(Origin::of(&Arc::new(connection)));
    request
}

/// Sends a request through the layer; the backend answers as told.
pub(crate) fn exchange(
    options: Options,
    request: Request<Body>,
    answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static,
) -> Exchange {
    let backend = Backend { seen: Arc::default(), answer: Arc::new(answer) };
    let mut service = TranscodeLayer::new(TABLE.clone(), options).layer(backend.clone());
    let response = service.call(from_edge(request)).now_or_never().expect("nothing here waits").unwrap();
    let flow = Flow::of(&response);
    let (mut head, body) = response.into_parts();
    // As servers do where nobody has said it.
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        head.headers.entry("content-length").or_insert_with(|| length.into());
    }
    let (body, cut) = read(body);
    let cut = cut.map(|error| error.to_string());
    let seen = backend.seen.lock().unwrap().clone();
    Exchange { status: head.status.as_u16(), headers: head.headers, body, cut, flow, seen }
}

/// Sends `method target` with a JSON body to a backend that answers with [`echo`].
pub(crate) fn send(method: &str, target: &str, body: &str) -> Exchange {
    exchange(Options::default(), request(method, target, body), echo)
}

pub(crate) fn request(method: &str, target: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(target);
    if body.is_empty() {
        return request.body(Body::empty()).unwrap();
    }
    request.header("content-type", "application/json").body(Body::full(body.to_owned())).unwrap()
}

/// The request's own message from methods that answer with the type they take, else an empty one.
pub(crate) fn echo(seen: &Seen) -> Response<Body> {
    let same =
        ["/Restock", "/Upload", "/Echo"].iter().any(|method| seen.request.uri.path().ends_with(method));
    let message = if same { seen.body.clone() } else { envelope::encode(b"") };
    unary_response(message, HeaderMap::new(), Status::ok().into_trailers())
}

/// The answer to a body of this type.
pub(crate) fn with_type(method: &str, target: &str, content_type: &str, body: impl Into<Bytes>) -> Exchange {
    let request = Request::builder().method(method).uri(target).header("content-type", content_type);
    exchange(Options::default(), request.body(Body::full(body.into())).unwrap(), echo)
}
