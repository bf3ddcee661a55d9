//! What the layer costs: the look-up of a route among 5,000, and whole exchanges with a service behind that answers at once.
//!
//! `cargo bench -p narthex-transcode`; a name such as `route` after `--` picks some.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, Request, Response};
use narthex_protojson::Pool;
use narthex_transcode::{Options, RouteTable, TranscodeLayer};
use narthex_wire::{Body, Status, envelope, unary_response};
use tower_layer::Layer as _;
use tower_service::Service;

const RESOURCES: usize = 1_000;

/// Five bindings for each of a thousand resources, as APIs have them: nested under others, and with verbs.
fn resources() -> String {
    let mut source = r#"
        syntax = "proto3";
        package bench.v1;
        import "google/api/annotations.proto";
        enum Genre { GENRE_UNSPECIFIED = 0; GENRE_POETRY = 1; }
        message Book { int64 id = 1; string parent = 2; string title = 3; Genre genre = 4; bool signed = 5; }
    "#
    .to_owned();
    for n in 0..RESOURCES {
        let path = format!("/v1/projects/*/shelves{}", n % 100);
        let name = format!("{{parent={path}/*}}/books{n}").replace("parent=/v1/", "parent=");
        write!(
            source,
            r#"service Books{n} {{
                rpc List(Book) returns (Book) {{ option (google.api.http) = {{ get: "/v1/{name}" }}; }}
                rpc Get(Book) returns (Book) {{ option (google.api.http) = {{ get: "/v1/{name}/{{id}}" }}; }}
                rpc Create(Book) returns (Book) {{ option (google.api.http) = {{ post: "/v1/{name}" body: "*" }}; }}
                rpc Delete(Book) returns (Book) {{ option (google.api.http) = {{ delete: "/v1/{name}/{{id}}" }}; }}
                rpc Sign(Book) returns (Book) {{
                    option (google.api.http) = {{ post: "/v1/{name}/{{id}}:sign" body: "*" }};
                }}
            }}"#
        )
        .expect("a string takes everything");
    }
    source
}

struct Only(String);

impl protox::file::FileResolver for Only {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        if name != "bench.proto" {
            return Err(protox::Error::file_not_found(name));
        }
        protox::file::File::from_source(name, &self.0)
    }
}

fn table() -> RouteTable {
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/../narthex-protojson/proto");
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(Only(resources()));
    resolver.add(protox::file::IncludeFileResolver::new(builtin.into()));
    resolver.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.open_file("bench.proto").expect("it compiles");
    let pool = Pool::from_file_descriptor_set(&compiler.encode_file_descriptor_set()).expect("it is whole");
    let services: Vec<String> = (0..RESOURCES).map(|n| format!("bench.v1.Books{n}")).collect();
    RouteTable::build(&pool, &services).expect("no two are alike")
}

/// gRPC with one answer.
#[derive(Clone)]
struct Backend(Bytes);

impl Service<Request<Body>> for Backend {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        drop(request);
        ready(Ok(unary_response(self.0.clone(), HeaderMap::new(), Status::ok().into_trailers())))
    }
}

/// What a browser or a load generator sends of headers.
fn request(method: &str, target: &str, body: &'static str) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "localhost:8080")
        .header("user-agent", "bench/1.0")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip, deflate, br");
    if !body.is_empty() {
        request = request.header("content-type", "application/json").header("content-length", body.len());
    }
    request.body(Body::full(body)).expect("the parts are valid")
}

fn layer(criterion: &mut Criterion) {
    let table = Arc::new(table());
    assert!(table.routes().len() >= 5 * RESOURCES);

    let mut group = criterion.benchmark_group("route");
    for (name, method, path, is_bound) in [
        ("one of 5,000", Method::GET, "/v1/projects/p/shelves17/s/books617/42", true),
        ("with a verb", Method::POST, "/v1/projects/p/shelves17/s/books617/42:sign", true),
        ("own path", Method::POST, "/bench.v1.Books617/Sign", true),
        ("another's", Method::GET, "/admin/shop/book/42/change/", false),
        ("not bound", Method::GET, "/v1/projects/p/shelves17/s/magazines/42", false),
    ] {
        assert_eq!(table.find(&method, path).is_some(), is_bound, "{path}");
        group.bench_function(name, |bencher| bencher.iter(|| table.find(&method, black_box(path)).is_some()));
    }
    group.finish();

    // An id and a title.
    let answer = envelope::encode(b"\x08\x2a\x1a\x19The Left Hand of Darkness");
    let service = TranscodeLayer::new(table, Options::default()).layer(Backend(answer));
    let mut group = criterion.benchmark_group("exchange");
    for (name, method, target, body) in [
        ("GET", "GET", "/v1/projects/p/shelves17/s/books617/42?genre=GENRE_POETRY", ""),
        (
            "POST",
            "POST",
            "/v1/projects/p/shelves17/s/books617",
            r#"{"title":"The Left Hand of Darkness","genre":"GENRE_POETRY","signed":true}"#,
        ),
    ] {
        let mut service = service.clone();
        let mut exchange =
            move || service.call(request(method, target, body)).now_or_never().expect("nothing here waits");
        let answer = exchange().unwrap_or_else(|never| match never {});
        assert_eq!(answer.status(), 200);
        group.bench_function(name, |bencher| bencher.iter(&mut exchange));
    }
    group.finish();
}

criterion_group!(benches, layer);
criterion_main!(benches);
