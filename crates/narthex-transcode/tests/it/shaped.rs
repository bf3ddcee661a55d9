//! What a servicer says about the HTTP response.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use narthex_transcode::Options;
use narthex_wire::{Body, Code, Status, envelope, unary_response};

use crate::support::{Exchange, exchange, request};

fn metadata(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn answered(answer: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Exchange {
    exchange(Options::default(), request("GET", "/api/books/1", ""), move |_| answer())
}

#[test]
fn metadata_choose_the_status_and_headers() {
    let got = answered(|| {
        let trailers =
            Status::ok().with_metadata(metadata(&[("x-http-code", "201"), ("location", "/api/books/9")]));
        unary_response(envelope::encode(b""), metadata(&[("etag", "\"1\"")]), trailers.into_trailers())
    });
    assert_eq!(
        (got.status, got.header("location"), got.header("etag")),
        (201, Some("/api/books/9"), Some("\"1\""))
    );
    assert_eq!((got.header("x-http-code"), &got.body[..]), (None, &b"{}"[..]));

    let got = answered(|| {
        let initial = metadata(&[("x-http-code", "302"), ("location", "/"), ("set-cookie", "a=b")]);
        unary_response(envelope::encode(b""), initial, Status::ok().into_trailers())
    });
    assert_eq!((got.status, got.header("set-cookie")), (302, Some("a=b")));
}

#[test]
fn some_statuses_have_no_body() {
    for code in ["204", "205", "304"] {
        let got = answered(move || {
            let initial = HeaderMap::from_iter([(
                HeaderName::from_static("x-http-code"),
                HeaderValue::from_static(code),
            )]);
            unary_response(envelope::encode(b"\x08\x01"), initial, Status::ok().into_trailers())
        });
        assert_eq!((got.status.to_string().as_str(), got.body.len()), (code, 0));
        assert_eq!((got.header("content-type"), got.header("content-length")), (None, None));
    }
}

#[test]
fn a_status_that_is_none_of_a_final_response_is_not_taken() {
    for code in ["101", "600", "20", "x", ""] {
        let got = answered(move || {
            let initial = HeaderMap::from_iter([(
                HeaderName::from_static("x-http-code"),
                HeaderValue::from_static(code),
            )]);
            unary_response(envelope::encode(b""), initial, Status::ok().into_trailers())
        });
        assert_eq!((got.status, got.header("x-http-code")), (200, None), "{code}");
    }
}

#[test]
fn an_error_keeps_to_errors() {
    let failed = |code: &'static str| {
        answered(move || {
            Status::not_found("gone").with_metadata(metadata(&[("x-http-code", code)])).into_response()
        })
    };
    assert_eq!(failed("410").status, 410);
    assert_eq!(failed("410").json()["code"], 5);
    assert_eq!(failed("200").status, 404);
}

#[test]
fn codes_that_call_for_a_header_have_it() {
    let got = answered(|| Status::unauthenticated("who?").into_response());
    assert_eq!((got.status, got.header("www-authenticate")), (401, Some("Bearer")));
    let got = answered(|| {
        let basic = metadata(&[("www-authenticate", "Basic realm=\"shop\"")]);
        Status::unauthenticated("who?").with_metadata(basic).into_response()
    });
    assert_eq!(got.header("www-authenticate"), Some("Basic realm=\"shop\""));

    // google.rpc.Status { code: 14, details: [RetryInfo { retry_delay: 1.5 s }] }
    let mut any = vec![0x0a, 40];
    any.extend(b"type.googleapis.com/google.rpc.RetryInfo");
    any.extend([0x12, 10, 0x0a, 8, 0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]);
    let mut details = vec![0x08, 14, 0x1a, u8::try_from(any.len()).unwrap()];
    details.extend(any);
    let got = answered(move || {
        Status::new(Code::Unavailable, "later").with_details(details.clone()).into_response()
    });
    assert_eq!((got.status, got.header("retry-after")), (503, Some("2")));
    assert_eq!(got.json()["details"][0]["retryDelay"], "1.500s");
}

#[test]
fn a_refusal_names_the_field() {
    for (target, body, field) in [
        ("/api/books/x:restock", "{}", "id"),
        ("/api/books/1:restock", r#"{"author": {"born": "x"}}"#, "author.born"),
        ("/api/books/1:restock?title=x", "{}", "title"),
        ("/api/books?update_mask=x&nope=1", "{}", "nope"),
    ] {
        let got = crate::support::send("POST", target, body);
        let detail = &got.json()["details"][0];
        assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.BadRequest");
        assert_eq!(detail["fieldViolations"][0]["field"], field, "{target}");
        assert!(detail["fieldViolations"][0]["description"].is_string());
    }
}
