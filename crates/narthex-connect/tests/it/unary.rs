use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Request, Response};
use narthex_wire::envelope::{encode, prefix};
use narthex_wire::{Body, Code, Status};
use serde_json::json;

use crate::{Asked, echo, gzip, json, outcome, read, send};

fn post(path: &str, content_type: &str) -> http::request::Builder {
    Request::post(path).header(CONTENT_TYPE, content_type).header("connect-protocol-version", "1")
}

fn call(headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = post("/s.S/Set", "application/proto");
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(body.into())
        .unwrap()
}

#[test]
fn a_call() {
    for (content_type, behind) in [
        ("application/proto", "application/grpc"),
        ("application/json; charset=utf-8", "application/grpc+json"),
    ] {
        let request = post("/s.S/Set", content_type)
            .header("connect-timeout-ms", "5000")
            .header("authorization", "x")
            .header("host", "a.example")
            .header("x-a-bin", "AQI")
            .header("accept-encoding", "gzip, br;q=0.5, snappy")
            .header("grpc-status", "3")
            .body(Body::from("abc"))
            .unwrap();
        let response = send(request, move |asked| {
            let (head, body) = &asked;
            assert_eq!((head.method.as_str(), head.uri.to_string()), ("POST", "/s.S/Set".to_owned()));
            let mut headers: Vec<(&str, &str)> =
                head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            headers.sort_unstable();
            assert_eq!(
                headers,
                [
                    ("authorization", "x"),
                    ("content-type", behind),
                    ("grpc-accept-encoding", "identity,gzip,br"),
                    ("grpc-timeout", "5000000u"),
                    ("host", "a.example"),
                    ("te", "trailers"),
                    ("x-a-bin", "AQI"),
                ]
            );
            assert_eq!(body.as_ref().unwrap().data, encode(b"abc"));
            echo(asked)
        });
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-initial"], "i");
        assert_eq!(response.headers()["trailer-x-trailing-bin"], "AQI");
        assert_eq!(response.headers()[CONTENT_TYPE], content_type.split(';').next().unwrap());
        assert_eq!(response.headers().len(), 3);
        assert_eq!(outcome(&response), Some(Code::Ok));
        assert_eq!(read(response), "abc");
    }
}

#[test]
fn compression_both_ways() {
    let response = send(call(&[("content-encoding", "gzip")], gzip(b"abc")), |(head, body)| {
        assert_eq!(head.headers["grpc-encoding"], "gzip");
        let zipped = gzip(b"abc");
        assert_eq!(body.as_ref().unwrap().data, [&prefix(zipped.len(), true)[..], &zipped].concat());
        let mut response = echo((head, body));
        response.headers_mut().insert("grpc-encoding", "gzip".parse().unwrap());
        response
    });
    assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
    assert_eq!(read(response), gzip(b"abc"));
    // Nothing is not decompressed, and what is not compressed needs no word.
    for (encoding, body, expect) in [("gzip", "", encode(b"")), ("identity", "a", encode(b"a"))] {
        let response = send(call(&[("content-encoding", encoding)], body), move |(head, body)| {
            assert!(!head.headers.contains_key("grpc-encoding"));
            assert_eq!(body.as_ref().unwrap().data, expect);
            echo((head, body))
        });
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
    }
}

#[test]
fn an_error() {
    let behind = |_: Asked| {
        // google.rpc.Status {details: [google.rpc.ErrorInfo {reason: "r"}, {type "s.Unknown", "x"}]}
        let info = b"\x1a\x2f\x0a\x28type.googleapis.com/google.rpc.ErrorInfo\x12\x03\x0a\x01r";
        let unknown = b"\x1a\x10\x0a\x0bt/s.Unknown\x12\x01x";
        let mut status = Status::not_found("no \u{e9}").with_details([&info[..], unknown].concat());
        status.metadata_mut().insert("x-t", "1".parse().unwrap());
        status.into_response()
    };
    let response = send(call(&[], "abc"), behind);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["trailer-x-t"]),
        (404, &"1".parse().unwrap())
    );
    assert_eq!(outcome(&response), Some(Code::NotFound));
    assert_eq!(
        json(response),
        json!({"code": "not_found", "message": "no \u{e9}", "details": [
            {"type": "google.rpc.ErrorInfo", "value": "CgFy", "debug": {"reason": "r"}},
            {"type": "s.Unknown", "value": "eA"},
        ]})
    );
}

#[test]
fn codes_have_their_words_and_http_statuses() {
    for (code, word, http) in [
        (Code::Cancelled, "canceled", 499),
        (Code::Unknown, "unknown", 500),
        (Code::InvalidArgument, "invalid_argument", 400),
        (Code::DeadlineExceeded, "deadline_exceeded", 504),
        (Code::AlreadyExists, "already_exists", 409),
        (Code::PermissionDenied, "permission_denied", 403),
        (Code::ResourceExhausted, "resource_exhausted", 429),
        (Code::FailedPrecondition, "failed_precondition", 400),
        (Code::Aborted, "aborted", 409),
        (Code::OutOfRange, "out_of_range", 400),
        (Code::Unimplemented, "unimplemented", 501),
        (Code::Internal, "internal", 500),
        (Code::Unavailable, "unavailable", 503),
        (Code::DataLoss, "data_loss", 500),
        (Code::Unauthenticated, "unauthenticated", 401),
    ] {
        let response = send(call(&[], ""), move |_| Status::new(code, "").into_response());
        assert_eq!(response.status().as_u16(), http, "{code}");
        assert_eq!(json(response), json!({"code": word}));
    }
}

#[test]
fn refused_before_the_call() {
    for (headers, http, word, about) in [
        (&[("connect-timeout-ms", "12345678901")][..], 400, "invalid_argument", "connect-timeout-ms"),
        (&[("connect-timeout-ms", "-1")], 400, "invalid_argument", "connect-timeout-ms"),
        (&[("connect-timeout-ms", "")], 400, "invalid_argument", "connect-timeout-ms"),
        (&[("content-encoding", "snappy")], 501, "unimplemented", "identity,gzip,deflate,zstd,br"),
    ] {
        let response = send(call(headers, "abc"), |_| unreachable!("refused before"));
        assert_eq!(response.status().as_u16(), http);
        let error = json(response);
        assert_eq!(error["code"], word);
        assert!(error["message"].as_str().unwrap().contains(about), "{error}");
    }
    let mut version = call(&[], "abc");
    version.headers_mut().insert("connect-protocol-version", "2".parse().unwrap());
    assert_eq!(json(send(version, |_| unreachable!("refused before")))["code"], "invalid_argument");
    let large = send(call(&[], vec![0; 1001]), |_| unreachable!("refused before"));
    assert_eq!((large.status().as_u16(), &json(large)["code"]), (429, &json!("resource_exhausted")));
}

#[test]
fn a_content_type_of_another_kind_of_call_is_415() {
    for (path, content_type, offered) in [
        ("/s.S/Set", "application/xml", "application/json, application/proto"),
        ("/s.S/Set", "text/json", "application/json, application/proto"),
        ("/s.S/Set", "application/connect+proto", "application/json, application/proto"),
        ("/s.S/Stream", "application/json", "application/connect+json, application/connect+proto"),
        ("/s.S/Stream", "application/connect+xml", "application/connect+json, application/connect+proto"),
    ] {
        let request = post(path, content_type).body(Body::empty()).unwrap();
        let response = send(request, |_| unreachable!("refused before"));
        assert_eq!(
            (response.status().as_u16(), &response.headers()["accept-post"]),
            (415, &offered.parse().unwrap()),
            "{content_type}"
        );
    }
}

#[test]
fn an_answer_that_is_none() {
    let no_message = |_: Asked| {
        let mut response: Response<Body> =
            Response::new(Body::with_trailers("".into(), Status::ok().into_trailers()));
        response.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
        response
    };
    let response = send(call(&[], ""), no_message);
    assert_eq!((response.status().as_u16(), &json(response)["code"]), (500, &json!("internal")));
}

#[test]
fn a_servicers_content_encoding_is_no_word_on_the_message() {
    let response = send(call(&[], "abc"), |asked| {
        let mut response = echo(asked);
        response.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        response
    });
    assert!(!response.headers().contains_key(CONTENT_ENCODING));
    assert_eq!(read(response), "abc");
}
