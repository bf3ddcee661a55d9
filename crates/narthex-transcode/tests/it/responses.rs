//! gRPC responses to HTTP ones.

use bytes::Bytes;
use http::{HeaderMap, Response};
use narthex_transcode::{Options, WriteOptions};
use narthex_wire::{Body, Code, Flow, Status, envelope, unary_response};
use serde_json::json;

use crate::support::{Exchange, Seen, exchange, request, send};

fn get(answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Exchange {
    exchange(Options::default(), request("GET", "/api/books/1", ""), answer)
}

/// A Book with the title "T".
const BOOK: &[u8] = b"\x12\x01T";

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[test]
fn a_message_is_200_with_json() {
    let got = send("GET", "/api/books?page_size=2", "");
    assert_eq!((got.status, got.flow), (200, Flow::Json));
    assert_eq!(got.header("content-length"), Some(got.body.len().to_string().as_str()));
    assert!(!got.headers.keys().any(|name| name.as_str().starts_with("grpc-")));
    let deleted = exchange(Options::default(), request("DELETE", "/api/books/1", ""), |_| {
        unary_response(envelope::encode(b""), HeaderMap::new(), Status::ok().into_trailers())
    });
    assert_eq!(deleted.body, "{}");
}

#[test]
fn metadata_become_headers() {
    let got = get(|_| {
        let initial = headers(&[("x-initial", "1"), ("set-cookie", "a"), ("grpc-accept-encoding", "gzip")]);
        let mut trailers = Status::ok().into_trailers();
        trailers.extend(headers(&[("x-trailing", "2"), ("set-cookie", "b"), ("raw-bin", "AQI")]));
        unary_response(envelope::encode(BOOK), initial, trailers)
    });
    assert_eq!(got.json(), json!({"title": "T"}));
    assert_eq!((got.header("x-initial"), got.header("x-trailing")), (Some("1"), Some("2")));
    assert_eq!(got.header("raw-bin"), Some("AQI"));
    assert_eq!(got.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(got.headers.get_all("content-type").iter().count(), 1);
    assert_eq!(got.header("grpc-accept-encoding"), None);
}

#[test]
fn an_error_is_a_status_with_the_mapped_http_status() {
    for (code, http) in [
        (Code::NotFound, 404),
        (Code::InvalidArgument, 400),
        (Code::Cancelled, 499),
        (Code::Unavailable, 503),
    ] {
        let got = get(move |_| {
            let mut response = Status::new(code, "à propos: 100 %").into_response();
            response.headers_mut().extend(headers(&[("x-why", "1")]));
            response
        });
        assert_eq!((got.status, got.flow), (http, Flow::Json));
        assert_eq!(got.json(), json!({"code": code as i32, "message": "à propos: 100 %"}));
        assert_eq!(got.headers.get_all("x-why").iter().count(), 1);
        assert_eq!((got.header("grpc-status"), got.header("grpc-message")), (None, None));
    }
}

#[test]
fn an_error_wins_over_a_message_before_it() {
    let got = get(|_| {
        let trailers = Status::new(Code::AlreadyExists, "there").with_metadata(headers(&[("x-t", "1")]));
        unary_response(envelope::encode(BOOK), headers(&[("x-i", "2")]), trailers.into_trailers())
    });
    assert_eq!(got.status, 409);
    assert_eq!(got.json(), json!({"code": 6, "message": "there"}));
    assert_eq!((got.header("x-t"), got.header("x-i")), (Some("1"), Some("2")));
}

#[test]
fn details_are_decoded_or_kept_as_bytes() {
    // google.rpc.Status { details: [ErrorInfo { reason: "OUT" }, type "x/shop.v1.Unknown" ] }
    let mut details = Vec::new();
    for (url, value) in
        [("type.googleapis.com/google.rpc.ErrorInfo", &b"\x0a\x03OUT"[..]), ("x/shop.v1.Unknown", &[1, 2])]
    {
        let mut any = vec![0x0a, u8::try_from(url.len()).unwrap()];
        any.extend_from_slice(url.as_bytes());
        any.extend_from_slice(&[0x12, u8::try_from(value.len()).unwrap()]);
        any.extend_from_slice(value);
        details.extend_from_slice(&[0x1a, u8::try_from(any.len()).unwrap()]);
        details.extend_from_slice(&any);
    }
    let details = Bytes::from(details);
    let got = get(move |_| {
        Status::new(Code::FailedPrecondition, "no").with_details(details.clone()).into_response()
    });
    assert_eq!(
        got.json(),
        json!({"code": 9, "message": "no", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "OUT"},
            {"@type": "x/shop.v1.Unknown", "value": "AQI="},
        ]})
    );
    let got = get(|_| Status::new(Code::Internal, "no").with_details(&b"rubbish"[..]).into_response());
    assert_eq!(got.json(), json!({"code": 13, "message": "no"}));
}

#[test]
fn answers_that_break_the_protocol_are_errors() {
    let ok = || Status::ok().into_trailers();
    let got = get(move |_| unary_response(Bytes::new(), HeaderMap::new(), ok()));
    assert_eq!((got.status, got.json()["code"].as_i64()), (500, Some(13)));
    let two = [envelope::encode(BOOK), envelope::encode(BOOK)].concat();
    let got = get(move |_| unary_response(two.clone().into(), HeaderMap::new(), ok()));
    assert_eq!((got.status, got.json()["code"].as_i64()), (500, Some(13)));
    let got = get(|_| unary_response(envelope::encode(BOOK), HeaderMap::new(), HeaderMap::new()));
    assert_eq!((got.status, got.json()["code"].as_i64()), (500, Some(2)));
    let got = get(move |_| unary_response(envelope::encode(b"\xff"), HeaderMap::new(), ok()));
    assert_eq!((got.status, got.json()["code"].as_i64()), (500, Some(13)));
    let got = get(|_| {
        let body = futures_util::stream::once(async { Err::<http_body::Frame<Bytes>, _>("cut") });
        Response::builder()
            .header("content-type", "application/grpc")
            .body(Body::new(Stream(Box::pin(body))))
            .unwrap()
    });
    assert_eq!(got.status, 499);
}

struct Stream<S>(std::pin::Pin<Box<S>>);

impl<S, E> http_body::Body for Stream<S>
where
    S: futures_util::Stream<Item = Result<http_body::Frame<Bytes>, E>>,
{
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, E>>> {
        self.0.as_mut().poll_next(cx)
    }
}

#[test]
fn what_is_not_grpc_stays_as_it_is() {
    let got =
        get(|_| Response::builder().status(413).header("x-a", "1").body(Body::full("too large")).unwrap());
    assert_eq!((got.status, got.header("x-a"), &got.body[..]), (413, Some("1"), &b"too large"[..]));
}

#[test]
fn response_body_is_one_field() {
    let got = exchange(Options::default(), request("GET", "/api/books:only", ""), |_| {
        // ListBooksResponse { books: [{ title: "T" }] }
        unary_response(envelope::encode(b"\x0a\x03\x12\x01T"), HeaderMap::new(), Status::ok().into_trailers())
    });
    assert_eq!(got.json(), json!([{"title": "T"}]));
}

#[test]
fn head_is_get_without_a_body() {
    let head = send("HEAD", "/api/books/1", "");
    let get = send("GET", "/api/books/1", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.called("GetBook", "shop.v1.GetBookRequest"), json!({"id": "1"}));
    let refused = send("HEAD", "/api/books/x", "");
    assert_eq!((refused.status, refused.body.len()), (400, 0));
}

#[test]
fn json_can_be_written_otherwise() {
    let write = WriteOptions {
        proto_names: true,
        enums_as_ints: true,
        always_print: true,
        ..WriteOptions::default()
    };
    let options = Options { write, ..Options::default() };
    let got =
        exchange(options, request("POST", "/api/books/1:restock", r#"{"genre": 1}"#), crate::support::echo);
    assert_eq!(got.json(), json!({"id": "1", "title": "", "tags": [], "genre": 1, "cover": ""}));
    let write = WriteOptions { whitespace: true, ..WriteOptions::default() };
    let options = Options { write, ..Options::default() };
    let got =
        exchange(options, request("POST", "/api/books/1:restock", r#"{"genre": 1}"#), crate::support::echo);
    assert_eq!(got.body, "{\n \"id\": \"1\",\n \"genre\": \"GENRE_POETRY\"\n}");
}
