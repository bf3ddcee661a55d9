//! What is not ours passes untouched.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use http::{HeaderMap, Request};
use narthex_transcode::{Options, TranscodeLayer};
use narthex_wire::{Body, Flow, Status, envelope, unary_response};
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::support::{Answering, TABLE, echo, exchange, request, send};

#[test]
fn unmatched_requests_are_forwarded_as_they_came() {
    for (method, target) in [
        ("GET", "/admin/?q=%20a"),
        ("POST", "/api/books/1"),
        ("GET", "/api/nope%2F"),
        ("OPTIONS", "*"),
        ("POST", "/api/watch"),
    ] {
        let mut original = request(method, target, "{ no json");
        original.headers_mut().append("x-a", "1".parse().unwrap());
        original.headers_mut().append("x-a", "2".parse().unwrap());
        let headers = original.headers().clone();
        let got = exchange(Options::default(), original, echo);
        let seen = got.seen.as_ref().unwrap();
        assert_eq!((seen.request.method.as_str(), seen.request.uri.to_string().as_str()), (method, target));
        assert_eq!((&seen.request.headers, &seen.body[..]), (&headers, &b"{ no json"[..]));
        assert_eq!((got.status, &got.body[..], got.flow), (200, &b"the application"[..], Flow::Http));
    }
}

#[test]
fn grpc_is_forwarded_even_on_a_bound_path() {
    let mut original = request("GET", "/api/books/1", "");
    original.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    *original.body_mut() = Body::full("frames");
    let got = exchange(Options::default(), original, echo);
    let seen = got.seen.as_ref().unwrap();
    assert_eq!((seen.request.uri.path(), &seen.body[..]), ("/api/books/1", &b"frames"[..]));
    assert_eq!(got.flow, Flow::Grpc);
}

#[test]
fn an_api_prefix_has_its_own_404_and_405() {
    let send_under = |method, target| {
        let options = Options { api_prefixes: vec!["/api".into()], ..Options::default() };
        exchange(options, request(method, target, ""), echo)
    };
    let got = send_under("GET", "/api/nope");
    assert_eq!(got.refused(404), (5, "no method is bound to /api/nope".to_owned()));
    assert_eq!(got.flow, Flow::Json);
    let got = send_under("POST", "/api/books/1");
    assert_eq!(got.refused(405), (12, "no method is bound to POST /api/books/1".to_owned()));
    assert_eq!(got.header("allow"), Some("DELETE, GET, HEAD, PATCH"));
    assert_eq!(send_under("GET", "/apis").body, "the application");
    assert_eq!(send_under("GET", "/api/books/1").status, 200);
}

#[test]
fn without_a_prefix_the_application_has_the_rest() {
    assert_eq!(send("GET", "/api/nope", "").body, "the application");
}

#[test]
fn nothing_is_told_where_nobody_asks() {
    for (target, status) in
        [("/api/books/1", 200), ("/api/books/x", 400), ("/api/nope", 404), ("/api/watch", 200)]
    {
        let called = Arc::new(Mutex::new(None));
        let seen = called.clone();
        let behind = Answering(Arc::new(move |request: Request<Body>| {
            *seen.lock().unwrap() = Some(request.extensions().is_empty());
            unary_response(envelope::encode(b""), HeaderMap::new(), Status::ok().into_trailers())
        }));
        let options = Options { api_prefixes: vec!["/api".into()], ..Options::default() };
        let mut service = TranscodeLayer::new(TABLE.clone(), options).layer(behind);
        let call = service.call(request("GET", target, ""));
        let response = call.now_or_never().expect("nothing here waits").unwrap();
        assert_eq!(response.status(), status);
        assert!(response.extensions().is_empty(), "{target}");
        assert_eq!(*called.lock().unwrap(), (status == 200).then_some(true));
    }
}
