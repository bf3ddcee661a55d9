use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body::Frame;
use narthex_wire::envelope::encode;
use narthex_wire::{Body, Code, Outcome, Status};
use serde_json::{Value, json};

use crate::{Asked, echo, outcome, read, send, stream};

fn call(headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/s.S/Stream").header(CONTENT_TYPE, "application/connect+proto");
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(body.into())
        .unwrap()
}

/// The envelopes of a body, and what the last says.
fn parts(response: Response<Body>) -> (Vec<u8>, Value) {
    assert_eq!(response.status(), 200);
    let body = read(response);
    let mut at = 0;
    loop {
        let len = u32::from_be_bytes(body[at + 1..at + 5].try_into().unwrap()) as usize;
        if body[at] == 2 {
            assert_eq!(body.len(), at + 5 + len, "nothing comes after the end");
            return (body[..at].to_vec(), serde_json::from_slice(&body[at + 5..]).unwrap());
        }
        at += 5 + len;
    }
}

#[test]
fn envelopes_pass_and_the_end_is_one_more() {
    for codec in ["proto", "json"] {
        let messages = [encode(b"a"), encode(b"bc")].concat();
        let mut request = call(
            &[
                ("connect-timeout-ms", "1"),
                ("connect-content-encoding", "gzip"),
                ("connect-accept-encoding", "br"),
                ("connect-protocol-version", "1"),
                ("accept-encoding", "deflate"),
            ],
            messages.clone(),
        );
        request.headers_mut().insert(CONTENT_TYPE, format!("application/connect+{codec}").parse().unwrap());
        let expect = messages.clone();
        let response = send(request, move |asked| {
            let mut headers: Vec<(&str, &str)> = asked
                .0
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            headers.sort_unstable();
            let grpc = if codec == "proto" { "application/grpc" } else { "application/grpc+json" };
            assert_eq!(
                headers,
                [
                    ("content-type", grpc),
                    ("grpc-accept-encoding", "br"),
                    ("grpc-encoding", "gzip"),
                    ("grpc-timeout", "1000000n"),
                    ("te", "trailers")
                ]
            );
            assert_eq!(asked.1.as_ref().unwrap().data, expect);
            let mut response = echo(asked);
            response.headers_mut().insert("grpc-encoding", "br".parse().unwrap());
            response.headers_mut().insert("grpc-accept-encoding", "gzip".parse().unwrap());
            response
        });
        assert_eq!(response.headers()[CONTENT_TYPE], format!("application/connect+{codec}"));
        assert_eq!(response.headers()["connect-content-encoding"], "br");
        assert_eq!(response.headers()["connect-accept-encoding"], "gzip");
        assert_eq!((&response.headers()["x-initial"], response.headers().len()), (&"i".parse().unwrap(), 4));
        assert_eq!(parts(response), (messages, json!({"metadata": {"x-trailing-bin": ["AQI"]}})));
    }
}

#[test]
fn an_error_after_messages() {
    let behind = |_: Asked| {
        let mut ending = Status::aborted("a b");
        for value in ["1", "2"] {
            ending.metadata_mut().append("x-t", value.parse().unwrap());
        }
        let body = stream(vec![Ok(Frame::data(encode(b"a"))), Ok(Frame::trailers(ending.into_trailers()))]);
        Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap()
    };
    let response = send(call(&[], ""), behind);
    let outcome = response.extensions().get::<Outcome>().cloned().unwrap();
    assert_eq!(outcome.get(), None);
    let error = json!({"error": {"code": "aborted", "message": "a b"}, "metadata": {"x-t": ["1", "2"]}});
    assert_eq!(parts(response), (encode(b"a").to_vec(), error));
    assert_eq!(outcome.get(), Some(Code::Aborted));
}

#[test]
fn a_lone_head_is_an_end() {
    let response = send(call(&[], ""), |_| {
        let mut status = Status::not_found("no");
        status.metadata_mut().insert("x-t", "1".parse().unwrap());
        status.into_response()
    });
    assert_eq!((outcome(&response), response.headers().len()), (Some(Code::NotFound), 1));
    let error = json!({"error": {"code": "not_found", "message": "no"}, "metadata": {"x-t": ["1"]}});
    assert_eq!(parts(response), (vec![], error));
}

#[test]
fn refused_before_the_call() {
    for headers in [[("connect-timeout-ms", "soon")], [("connect-protocol-version", "0")]] {
        let response = send(call(&headers, ""), |_| unreachable!("refused before"));
        assert_eq!(parts(response).1["error"]["code"], "invalid_argument");
    }
}

#[test]
fn a_stream_that_breaks_says_why_if_it_knows() {
    let behind = |error: fn() -> narthex_wire::BoxError| {
        move |_: Asked| {
            let body = stream(vec![Ok(Frame::data(encode(b"a"))), Err(error())]);
            Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap()
        }
    };
    let known = send(call(&[], ""), behind(|| Status::unavailable("x").into()));
    assert_eq!(parts(known).1["error"]["code"], "unavailable");
    let mut lost = send(call(&[], ""), behind(|| "lost".into())).into_body();
    let mut next = || futures_util::FutureExt::now_or_never(lost.frame()).unwrap();
    assert!(next().unwrap().is_ok() && next().unwrap().is_err() && next().is_none());
    let silent = send(call(&[], ""), |_| {
        Response::builder().header(CONTENT_TYPE, "application/grpc").body(Body::empty()).unwrap()
    });
    assert_eq!(parts(silent).1["error"]["code"], "unknown");
}

#[test]
fn a_servicers_content_encoding_is_no_word_on_the_stream() {
    let response = send(call(&[], encode(b"a")), |asked| {
        let mut response = echo(asked);
        response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        response
    });
    assert!(!response.headers().contains_key("content-encoding"));
    assert_eq!(parts(response).0, encode(b"a"));
}
