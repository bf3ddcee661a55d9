use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Version};
use narthex_http_over_grpc::METHOD_PATH;
use narthex_wire::{Body, Client, Origin, Scheme, envelope};
use prost::Message as _;
use tower_service::Service as _;

use crate::{Oracle, call, origin, reply, seen, stack};

fn form() -> Oracle {
    Oracle { content_type: b"application/x-www-form-urlencoded".to_vec(), data: b"title=A&price=1".to_vec() }
}

#[test]
fn a_form_is_seen_as_the_browser_sent_it() {
    let request =
        seen(call("POST", "/admin/books/add/?next=%2Fa%20b", &[("cookie", "a=1"), ("x-a", "1")], &form()));
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "http://shop.test/admin/books/add/?next=%2Fa%20b");
    assert_eq!(request.version(), Version::HTTP_2);
    assert_eq!(request.body(), "title=A&price=1");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(request.headers()["content-length"], "15");
    assert_eq!(request.headers()["cookie"], "a=1");
    assert_eq!(request.headers()["x-a"], "1");
    assert_eq!(request.headers().len(), 4);
}

#[test]
fn what_belongs_to_the_call_is_not_seen() {
    let ours = [
        ("grpc-timeout", "1S"),
        ("grpc-encoding", "identity"),
        ("grpc-accept-encoding", "gzip"),
        ("grpc-foo", "bar"),
        ("content-length", "99"),
        ("x-envoy-original-dst-host", "10.0.0.1"),
    ];
    let request = seen(call("GET", "/", &ours, &Oracle::default()));
    assert!(request.headers().is_empty(), "{:?}", request.headers());
}

#[test]
fn values_forged_by_the_client_are_not_believed() {
    let forged = [("x-envoy-original-method", "GET"), ("x-envoy-original-path", "/elsewhere")];
    let request = seen(call("POST", "/admin/", &forged, &form()));
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri().path(), "/admin/");
    assert!(request.headers().get("x-envoy-original-method").is_none());
}

#[test]
fn binary_names_are_ordinary_headers() {
    let request = seen(call("GET", "/", &[("x-foo-bin", "!!"), ("x-foo-bin", "YQ")], &Oracle::default()));
    let values: Vec<_> = request.headers().get_all("x-foo-bin").iter().collect();
    assert_eq!(values, ["!!", "YQ"]);
}

#[test]
fn the_length_is_told_where_a_body_is_expected() {
    let empty = Oracle::default();
    for (method, expect) in [
        ("GET", None),
        ("HEAD", None),
        ("DELETE", None),
        ("POST", Some("0")),
        ("PUT", Some("0")),
        ("PATCH", Some("0")),
    ] {
        let request = seen(call(method, "/", &[], &empty));
        let length = request.headers().get("content-length").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(length.as_deref(), expect, "{method}");
        assert!(request.headers().get("content-type").is_none());
    }
    let body = Oracle { data: b"abc".to_vec(), ..empty };
    assert_eq!(seen(call("DELETE", "/", &[], &body)).headers()["content-length"], "3");
}

#[test]
fn every_method_and_kind_of_path() {
    for (method, path) in [("PROPFIND", "/a//b/"), ("OPTIONS", "*"), ("GET", "/%ff?%ff&a"), ("GET", "/?")] {
        let request = seen(call(method, path, &[], &Oracle::default()));
        assert_eq!(request.method(), method);
        assert_eq!(request.uri().path_and_query().unwrap(), path);
    }
}

#[test]
fn who_the_client_is_is_carried_over() {
    let mut request = call("GET", "/", &[], &Oracle::default());
    let origin = Origin {
        client: Client::Forwarded("10.1.2.3".parse().unwrap()),
        scheme: Scheme::Https,
        host: Some(HeaderValue::from_static("shop.example")),
        ..origin("127.0.0.1:5")
    };
    request.extensions_mut().insert(origin.clone());
    let request = seen(request);
    assert_eq!(request.extensions().get(), Some(&origin));
    assert_eq!(request.uri().scheme_str(), Some("https"));
}

/// A call that must be refused: the status and message.
fn refused(request: Request<Body>) -> (String, String) {
    let reply = reply(stack(|_| panic!("the application must not see this")), request);
    let text = |name: &str| reply.trailers[name].to_str().expect("ASCII").to_owned();
    (text("grpc-status"), text("grpc-message"))
}

#[test]
fn without_method_or_path_it_is_an_invalid_argument() {
    for name in ["x-envoy-original-method", "x-envoy-original-path"] {
        let mut request = call("GET", "/", &[], &Oracle::default());
        request.headers_mut().remove(name);
        let (status, message) = refused(request);
        assert_eq!(status, "3");
        assert!(message.starts_with(&format!("the call has no {name} metadata")), "{message}");
    }
    for (method, path) in
        [("G T", "/"), ("", "/"), ("GET", ""), ("GET", "a"), ("GET", "http://a/"), ("GET", "/a b")]
    {
        assert_eq!(refused(call(method, path, &[], &Oracle::default())).0, "3", "{method:?} {path:?}");
    }
}

#[test]
fn a_malformed_message_is_refused() {
    let with = |data: &'static [u8]| {
        let mut request = call("GET", "/", &[], &Oracle::default());
        *request.body_mut() = Body::full(data);
        request
    };
    assert_eq!(refused(with(b"\0\0\0\0\x01\x0a")).0, "13");
    assert_eq!(refused(with(b"\0\0\0\0\x05\x0a")).0, "13");
    assert_eq!(refused(with(b"")).0, "12");
    assert_eq!(refused(with(b"\0\0\0\0\x04\x0a\x02a\n")).0, "3");
}

#[test]
fn a_body_over_the_limit_is_413_in_the_browser() {
    let exact = Oracle { data: vec![0; 1000], content_type: vec![b'a'; 300] };
    assert_eq!(seen(call("POST", "/", &[], &exact)).body().len(), 1000);
    for size in [1001, 1_000_000] {
        let request = call("POST", "/", &[], &Oracle { data: vec![0; size], ..Oracle::default() });
        let reply = reply(stack(|_| panic!("the application must not see this")), request);
        assert_eq!(reply.headers["x-http-code"], "413");
        assert_eq!(reply.trailers["grpc-status"], "0");
        assert_eq!(reply.body.content_type, b"text/plain; charset=utf-8");
        assert_eq!(reply.body.data, b"Content Too Large\n");
    }
}

#[test]
fn the_data_is_a_slice_of_the_call() {
    let message = envelope::encode(&form().encode_to_vec());
    let range = message.as_ptr_range();
    let mut request = call("POST", "/", &[], &Oracle::default());
    *request.body_mut() = Body::full(message.clone());
    assert!(range.contains(&seen(request).body().as_ptr()));
}

#[test]
fn other_requests_are_handed_on_unchanged() {
    let mut service = stack(|_| panic!("not the application's"));
    for request in [
        Request::post("/shop.v1.ShopService/Get").header("content-type", "application/grpc"),
        Request::get(METHOD_PATH).header("content-type", "application/grpc"),
        Request::post(METHOD_PATH).header("content-type", "application/json"),
    ] {
        let request = request.extension(origin("127.0.0.1:5")).body(Body::full(Bytes::new())).unwrap();
        let response = service.call(request).now_or_never().unwrap().unwrap();
        assert_eq!(response.headers()["grpc-message"], "Method not found!");
    }
}
