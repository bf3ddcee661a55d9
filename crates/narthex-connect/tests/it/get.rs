use http::Request;
use narthex_wire::Body;
use narthex_wire::envelope::{encode, prefix};
use serde_json::json;

use crate::{echo, gzip, json, read, send};

fn get(target: &str) -> Request<Body> {
    Request::get(target).body(Body::empty()).unwrap()
}

#[test]
fn the_message_is_in_the_query() {
    for (query, grpc, message) in [
        ("message=%7B%7D&encoding=json&connect=v1", "application/grpc+json", "{}"),
        ("connect=v1&encoding=json&other=1&message=%7B%22a%22:+1%7D", "application/grpc+json", "{\"a\": 1}"),
        ("base64=1&connect=v1&encoding=proto&message=-_8", "application/grpc", "\u{fb}\u{ff}"),
        (
            "base64=1&connect=v1&encoding=proto&message=-_8%3D&compression=identity",
            "application/grpc",
            "\u{fb}\u{ff}",
        ),
        ("connect=v1&encoding=proto&message=%FB%ff", "application/grpc", "\u{fb}\u{ff}"),
        ("connect=v1&encoding=proto&message=", "application/grpc", ""),
    ] {
        // Each char stands for a byte.
        let message: Vec<u8> = message.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let expect = encode(&message);
        let response = send(get(&format!("http://a/s.S/Get?{query}")), move |(head, body)| {
            assert_eq!((head.method.as_str(), head.uri.to_string()), ("POST", "http://a/s.S/Get".to_owned()));
            assert_eq!(head.headers["content-type"], grpc);
            assert_eq!(body.as_ref().unwrap().data, expect);
            echo((head, body))
        });
        assert_eq!((response.status().as_u16(), read(response)), (200, message.into()), "{query}");
    }
}

#[test]
fn a_compressed_message() {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(gzip(b"abc"));
    let response = send(
        get(&format!("/s.S/Get?connect=v1&encoding=proto&base64=1&compression=gzip&message={text}")),
        |(head, body)| {
            let zipped = gzip(b"abc");
            assert_eq!(head.headers["grpc-encoding"], "gzip");
            assert_eq!(body.as_ref().unwrap().data, [&prefix(zipped.len(), true)[..], &zipped].concat());
            echo((head, encode(b"abc").into_body()))
        },
    );
    assert_eq!(read(response), "abc");
}

#[test]
fn answers_that_are_kept_are_for_clients_that_read_the_same() {
    for target in ["/s.S/Get?connect=v1&encoding=proto&message=", "/s.S/Get?connect=v1&encoding=proto"] {
        let response = send(get(target), |asked| {
            let mut response = echo(asked);
            response.headers_mut().insert("vary", "x-tenant".parse().unwrap());
            response
        });
        let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
        assert_eq!(vary.last().unwrap(), &"accept-encoding", "{target}");
        assert_eq!(vary.len(), if response.status() == 200 { 2 } else { 1 });
    }
}

trait IntoCollected {
    fn into_body(self) -> Result<narthex_wire::Collected, narthex_wire::CollectError>;
}

impl IntoCollected for bytes::Bytes {
    fn into_body(self) -> Result<narthex_wire::Collected, narthex_wire::CollectError> {
        Ok(narthex_wire::Collected { data: self, trailers: None })
    }
}

#[test]
fn queries_that_cannot_be_read() {
    for (query, http, word) in [
        ("connect=v1&encoding=json", 400, "invalid_argument"),
        ("connect=v1&message=%7B%7D", 400, "invalid_argument"),
        ("connect=v1&encoding=proto&base64=1&message=!!", 400, "invalid_argument"),
        ("connect=v1&encoding=proto&compression=snappy&message=", 501, "unimplemented"),
    ] {
        let response = send(get(&format!("/s.S/Get?{query}")), |_| unreachable!("refused before"));
        assert_eq!(response.status().as_u16(), http, "{query}");
        assert_eq!(json(response)["code"], json!(word));
    }
    let large = format!("/s.S/Get?connect=v1&encoding=proto&message={}", "a".repeat(1001));
    assert_eq!(json(send(get(&large), |_| unreachable!("refused before")))["code"], "resource_exhausted");
    let codec = send(get("/s.S/Get?connect=v1&encoding=xml&message="), |_| unreachable!("refused before"));
    assert_eq!(codec.status(), 415);
}

#[test]
fn a_method_with_side_effects_takes_no_get() {
    for path in ["/s.S/Set", "/s.S/Stream"] {
        let response = send(get(&format!("{path}?connect=v1&encoding=json&message=%7B%7D")), |_| {
            unreachable!("refused before")
        });
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
    }
}
