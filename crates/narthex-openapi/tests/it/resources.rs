//! How resources are served.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, StatusCode};
use narthex_openapi::{OpenApiLayer, Resource};
use narthex_wire::{Body, Encoding};
use tower_layer::Layer as _;
use tower_service::Service;

/// What is behind the layer: it answers 418.
#[derive(Clone)]
struct Behind;

impl Service<Request<Body>> for Behind {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        std::future::ready(Ok(response))
    }
}

fn ask(resource: Resource, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut service = OpenApiLayer::new([("/openapi.json".to_owned(), Arc::new(resource))]).layer(Behind);
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.call(request.body(Body::default()).unwrap()).now_or_never().unwrap().unwrap()
}

fn bytes(response: Response<Body>) -> Bytes {
    response.into_body().into_buffered().unwrap().data
}

fn json(content: &'static str) -> Resource {
    Resource::new(HeaderValue::from_static("application/json"), content)
}

#[test]
fn the_layer_answers_at_its_path_alone() {
    let ask = |method: &str, path: &str, known: &str| {
        ask(json("{}"), method, path, &[("if-none-match", known), ("accept-encoding", "gzip")])
    };
    let got = ask("GET", "/openapi.json", "\"other\"");
    assert_eq!(got.status(), StatusCode::OK);
    assert_eq!(got.headers()["content-type"], "application/json");
    let etag = got.headers()["etag"].to_str().unwrap().to_owned();
    assert!(!got.headers().contains_key("vary"), "it is too small to be compressed");
    assert_eq!(&*bytes(got), b"{}");
    let head = ask("HEAD", "/openapi.json", "\"other\"");
    assert_eq!(head.headers()["content-length"], "2");
    for known in [etag.clone(), format!("\"a\", W/{etag}"), "*".to_owned()] {
        let same = ask("GET", "/openapi.json", &known);
        assert_eq!(
            (same.status(), same.headers()["etag"] == etag.as_str()),
            (StatusCode::NOT_MODIFIED, true)
        );
    }
    let post = ask("POST", "/openapi.json", "");
    assert_eq!(
        (post.status(), post.headers()["allow"] == "GET, HEAD"),
        (StatusCode::METHOD_NOT_ALLOWED, true)
    );
    assert_eq!(ask("GET", "/openapi.json/", "").status(), StatusCode::IM_A_TEAPOT);
}

#[test]
fn who_reads_gzip_gets_it_with_a_tag_of_its_own() {
    let large: &'static str = "a large document ".repeat(200).leak();
    let get = |headers: &[(&str, &str)]| ask(json(large), "GET", "/openapi.json", headers);
    let plain = get(&[("accept-encoding", "br, gzip;q=0")]);
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain_tag = plain.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(&*bytes(plain), large.as_bytes());

    let compressed = get(&[("accept-encoding", "br, gzip")]);
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    assert_eq!(compressed.headers()["vary"], "accept-encoding");
    let tag = compressed.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(tag, plain_tag);
    let sent = bytes(compressed);
    let head = ask(json(large), "HEAD", "/openapi.json", &[("accept-encoding", "gzip")]);
    assert_eq!(head.headers()["content-length"], sent.len().to_string().as_str());
    assert_eq!(&*Encoding::Gzip.decompress(sent, large.len()).unwrap(), large.as_bytes());

    let same = get(&[("accept-encoding", "gzip"), ("if-none-match", &tag)]);
    assert_eq!(
        (same.status(), &same.headers()["vary"] == "accept-encoding"),
        (StatusCode::NOT_MODIFIED, true)
    );
    assert_eq!(get(&[("accept-encoding", "gzip"), ("if-none-match", &plain_tag)]).status(), StatusCode::OK);
}

#[test]
fn a_policy_is_sent() {
    let resource = || json("{}").with_policy(HeaderValue::from_static("default-src 'none'"));
    let got = ask(resource(), "GET", "/openapi.json", &[]);
    assert_eq!(got.headers()["content-security-policy"], "default-src 'none'");
    assert_eq!(got.headers()["x-content-type-options"], "nosniff");
}
