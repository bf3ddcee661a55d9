use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use narthex_wire::{Body, BoxError, Carried, Flow};
use tower_service::Service as _;

use crate::{Oracle, Reply, call, reply, stack};

/// The reply to a call that the application answers so.
fn answered(method: &str, app: impl Fn() -> Response<Body> + Clone + Send + 'static) -> Reply {
    reply(stack(move |_| app()), call(method, "/a?b", &[], &Oracle::default()))
}

fn frames(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Body {
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

#[test]
fn head_and_body_come_back() {
    let reply = answered("GET", || {
        Response::builder()
            .status(404)
            .header("content-type", "text/html; charset=utf-8")
            .header("content-length", "5")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("x-foo-bin", "!!")
            .body(Body::full("<p>no"))
            .unwrap()
    });
    assert_eq!(reply.flow, Flow::HttpOverGrpc);
    assert_eq!(reply.headers["x-http-code"], "404");
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(reply.headers["x-foo-bin"], "!!");
    assert!(reply.headers.get("content-length").is_none(), "it would be the call's own");
    assert_eq!(
        reply.body,
        Oracle { content_type: b"text/html; charset=utf-8".to_vec(), data: b"<p>no".to_vec() }
    );
    assert_eq!(reply.trailers["grpc-status"], "0");
}

#[test]
fn what_would_pass_for_the_calls_own_is_dropped() {
    let reply = answered("GET", || {
        let mut response = Response::new(Body::empty());
        for name in [
            "x-http-code",
            "grpc-status",
            "grpc-message",
            "grpc-foo",
            "te",
            "trailer",
            "connection",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
            "upgrade",
        ] {
            response.headers_mut().append(name, HeaderValue::from_static("7"));
        }
        response
    });
    let mut names: Vec<_> = reply.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "x-http-code"]);
    assert_eq!(reply.headers["x-http-code"], "200");
}

#[test]
fn a_streamed_body_is_one_message_and_its_trailers_are_kept() {
    let reply = answered("GET", || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("7"));
        trailers.append("x-checksum", HeaderValue::from_static("8"));
        trailers.insert("grpc-status", HeaderValue::from_static("13"));
        let frames = frames(vec![
            Ok(Frame::data("ab".into())),
            Ok(Frame::data("cd".into())),
            Ok(Frame::trailers(trailers)),
        ]);
        Response::new(frames)
    });
    assert_eq!(reply.body.data, b"abcd");
    assert_eq!(reply.trailers["grpc-status"], "0");
    assert_eq!(reply.trailers.get_all("x-checksum").iter().count(), 2);
}

#[test]
fn responses_that_have_no_body_get_none() {
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
        let reply = answered(method, move || {
            let mut response = Response::new(Body::full("not to be sent"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        });
        assert!(reply.body.data.is_empty(), "{method} {status}");
        assert_eq!(reply.headers["x-http-code"], status.to_string());
    }
}

#[test]
fn an_empty_reply_still_has_a_message_that_is_not_empty() {
    // Envoy leaves out a message of no bytes, and the browser is told application/json.
    let mut service = stack(|_| Response::new(Body::empty()));
    let response = service.call(call("GET", "/", &[], &Oracle::default())).now_or_never().unwrap().unwrap();
    let collected = response.into_body().collect(100).now_or_never().unwrap().unwrap();
    assert_eq!(collected.data, b"\0\0\0\0\x02\x0a\0".as_slice());
}

#[test]
fn a_body_that_fails_or_never_ends_is_internal() {
    let failing =
        answered("GET", || Response::new(frames(vec![Ok(Frame::data("ab".into())), Err("boom".into())])));
    assert_eq!(failing.trailers["grpc-status"], "13");
    assert_eq!(failing.trailers["grpc-message"], "the application failed while it sent its response: boom");
    assert_eq!(failing.flow, Flow::HttpOverGrpc);

    let large = answered("GET", || Response::new(Body::full(vec![0; 2001])));
    assert_eq!(large.trailers["grpc-status"], "13");
}

type App = fn() -> Response<Body>;

#[test]
fn the_log_is_told_what_was_inside() {
    let found = || Response::builder().status(302).body(Body::empty()).unwrap();
    let failing = || Response::new(frames(vec![Err("boom".into())]));
    let cases: [(App, usize, u16); 3] = [(found, 0, 302), (failing, 0, 500), (found, 1001, 413)];
    for (app, size, status) in cases {
        let body = Oracle { data: vec![0; size], ..Oracle::default() };
        let mut service = stack(move |_| app());
        let response = service.call(call("PUT", "/a?b", &[], &body)).now_or_never().unwrap().unwrap();
        let carried = response.extensions().get::<Carried>().unwrap();
        assert_eq!(carried.method, "PUT");
        assert_eq!(carried.target.as_ref().unwrap(), "/a?b");
        assert_eq!(carried.status, status);
    }
}
