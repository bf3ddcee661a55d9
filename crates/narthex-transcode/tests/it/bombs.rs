//! Requests that are small or plain and want much: each is refused or read in little time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use http::{HeaderMap, Request};
use narthex_transcode::{Options, TranscodeLayer, UnknownQuery};
use narthex_wire::{Body, Code, Status, envelope, unary_response};
use serde_json::json;
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::support::{Answering, Exchange, compile, echo, exchange, read, request, send, table, with_type};

/// Far more than any of it takes without optimisation, far less than what is not linear would.
const PATIENCE: Duration = Duration::from_secs(5);

fn quickly(exchange: impl FnOnce() -> Exchange) -> Exchange {
    let begun = Instant::now();
    let got = exchange();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    got
}

#[test]
fn numbers() {
    let digits = "9".repeat(200_000);
    for number in [
        "1e999999999",
        "-1e999999999",
        "1e-999999999",
        "1E+99999999999999999999999999",
        &digits,
        &format!("0.{digits}"),
        &format!("1e{digits}"),
    ] {
        // As a number, as its text, and where any JSON may stand.
        for body in [
            format!(r#"{{"author": {{"born": {number}}}}}"#),
            format!(r#"{{"author": {{"born": "{number}"}}}}"#),
            format!(r#"{{"id": {number}}}"#),
            format!(r#"{{"pages": {number}}}"#),
        ] {
            let (code, message) = quickly(|| send("POST", "/api/books/1:restock", &body)).refused(400);
            assert_eq!(code, Code::InvalidArgument as i64);
            assert!(message.len() < 1000, "it repeats what it got: {} bytes", message.len());
        }
    }
    let (_, message) =
        quickly(|| send("POST", "/api/books/1:restock", r#"{"notes": [1e999999999]}"#)).refused(400);
    assert!(message.contains("notes[0]"), "{message}");
}

#[test]
fn depth() {
    for (open, close) in [("[", "]"), (r#"{"sequel":"#, "}"), (r#"{"notes":["#, "]}")] {
        let body = format!("{}{}", open.repeat(1_000_000), close.repeat(1_000_000));
        let (code, message) = quickly(|| send("POST", "/api/books/1:restock", &body)).refused(400);
        assert_eq!(code, Code::InvalidArgument as i64);
        assert!(message.len() < 2000, "{} bytes", message.len());
    }
}

#[test]
fn names() {
    let title = r#"{"title": "a", "title": "b"}"#;
    let (_, message) = send("POST", "/api/books/1:restock", title).refused(400);
    assert!(message.contains("title"), "{message}");
    let many = format!("{{{}}}", (0..50_000).map(|i| format!("\"x{i}\":1")).collect::<Vec<_>>().join(","));
    let mut options = Options::default();
    options.read.ignore_unknown = true;
    let got = quickly(|| exchange(options.clone(), request("POST", "/api/books/1:restock", &many), echo));
    assert_eq!(got.called("Restock", "shop.v1.Book"), json!({"id": "1"}));
    let long = "x".repeat(1_000_000);
    for body in [format!(r#"{{"{long}": 1}}"#), format!(r#"{{"notes": [{{"{long}": 1e999}}]}}"#)] {
        let got = quickly(|| send("POST", "/api/books/1:restock", &body));
        assert!(got.body.len() < 2000, "it repeats what it got: {} bytes", got.body.len());
        assert_eq!(got.refused(400).0, Code::InvalidArgument as i64);
    }
    let body = format!(r#"{{"{long}": [}}"#);
    let got = quickly(|| exchange(options, request("POST", "/api/books/1:restock", &body), echo));
    assert!(got.body.len() < 2000, "it repeats what it got: {} bytes", got.body.len());
    assert_eq!(got.refused(400).0, Code::InvalidArgument as i64);
}

#[test]
fn names_of_forms() {
    let form = "application/x-www-form-urlencoded";
    let parts = "multipart/form-data; boundary=b";
    let part =
        |name: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n--b--");
    let deep = "sequel.".repeat(100_000);
    let long = "x".repeat(100_000);
    for name in [&long, &format!("{deep}title"), &format!("{deep}cover")] {
        for (content_type, body) in [(form, format!("{name}=x")), (parts, part(name))] {
            let got = quickly(|| with_type("POST", "/api/books/1:restock", content_type, body));
            assert!(got.body.len() < 2000, "it repeats what it got: {} bytes", got.body.len());
            assert_eq!(got.refused(400).0, Code::InvalidArgument as i64);
        }
    }
    // The body is a message already.
    let deep = "sequel.".repeat(100);
    let got = with_type("POST", "/api/books", parts, part(&format!("{deep}cover")));
    assert!(got.refused(400).1.contains("nested deeper than 100"));
}

/// A resource that holds two of its kind, by a name of some length.
const TREES: &str = r#"
    syntax = "proto3";
    package trees.v1;
    import "google/api/annotations.proto";
    import "google/protobuf/field_mask.proto";
    message Tree {
      Tree the_one_at_the_left = 1 [json_name = "l"];
      Tree the_one_at_the_right = 2 [json_name = "r"];
      repeated int32 leaves = 3;
    }
    message UpdateTreeRequest { Tree tree = 1; google.protobuf.FieldMask update_mask = 2; }
    service Trees {
      rpc UpdateTree(UpdateTreeRequest) returns (Tree) { option (google.api.http) = { patch: "/tree" body: "tree" }; }
    }
"#;

#[test]
fn masks() {
    let pool = compile("trees.proto", TREES);
    let table = Arc::new(table(&pool, &["trees.v1.Trees"]).unwrap());
    let patch = |target: &str, content_type: &str, body: String| {
        let options = Options { fill_update_mask: true, ..Options::default() };
        let behind = Answering(Arc::new(|_| {
            unary_response(envelope::encode(b""), HeaderMap::new(), Status::ok().into_trailers())
        }));
        let request = Request::patch(target).header("content-type", content_type);
        let mut layer = TranscodeLayer::new(table.clone(), options).layer(behind);
        let begun = Instant::now();
        let call = layer.call(request.body(Body::full(body)).unwrap());
        let response = call.now_or_never().expect("nothing here waits").unwrap();
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        (response.status().as_u16(), String::from_utf8(read(response.into_body()).0.to_vec()).unwrap())
    };
    let json = "application/json";
    let deep = |inside: &str| format!("{}{inside}{}", r#"{"l":"#.repeat(80), "}".repeat(80));
    let mut bushy = "{}".to_owned();
    for _ in 0..11 {
        bushy = format!(r#"{{"l":{bushy},"r":{bushy}}}"#);
    }
    assert_eq!(patch("/tree", json, deep(r#"{"leaves":[]}"#)).0, 200);
    assert_eq!(patch("/tree", json, bushy.clone()).0, 200);
    let (status, body) = patch("/tree", json, deep(&bushy));
    assert_eq!(status, 400, "2048 paths of more than 1600 bytes");
    assert!(body.contains("give them in updateMask") && body.len() < 1000, "{body}");
    // Many, and each but once.
    let numbers = format!(r#"{{"leaves":[0{}]}}"#, ",0".repeat(500_000));
    assert_eq!(patch("/tree", json, numbers).0, 200);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(patch("/tree", form, "l.l.l.leaves=1&".repeat(50_000)).0, 200);
    let query = format!("/tree?{}", "tree.l.l.leaves=1&".repeat(3_000));
    assert_eq!(patch(&query, json, "{}".to_owned()).0, 200);
}

#[test]
fn collisions() {
    let target = format!("/api/books/1?{}", "book.sequel.title=T&".repeat(3_000));
    let options = Options { refuse_collisions: true, ..Options::default() };
    for body in ["sequel.title=T&".repeat(50_000), "sequel.tags=a&".repeat(50_000)] {
        let request = Request::patch(&target).header("content-type", "application/x-www-form-urlencoded");
        let got = quickly(|| exchange(options.clone(), request.body(Body::full(body)).unwrap(), echo));
        assert_eq!(got.status, 200);
    }
}

#[test]
fn wishes() {
    // About as many as fit into a head of 64 KiB.
    let accept = "text/event-stream,".repeat(3_600) + "application/x-ndjson;q=0.5";
    let mut request = request("GET", "/api/watch", "");
    request.headers_mut().insert("accept", accept.parse().unwrap());
    let got =
        quickly(|| exchange(Options::default(), request, |_| Status::unavailable("later").into_response()));
    assert_eq!(got.status, 503);
}

#[test]
fn parameters() {
    // About as many as fit into a head of 64 KiB, the longest that is let in.
    let target = format!("/api/books/1?{}", "tags=a&".repeat(9_000));
    let got = quickly(|| send("GET", &target, ""));
    let message = got.called("GetBook", "shop.v1.GetBookRequest");
    assert_eq!(message["tags"].as_array().map(Vec::len), Some(9_000));
    let target =
        format!("/api/books/1?{}", (0..5_000).map(|i| format!("x{i}=1")).collect::<Vec<_>>().join("&"));
    for unknown_query in [UnknownQuery::Reject, UnknownQuery::Ignore, UnknownQuery::Capture] {
        let options = Options { unknown_query, refuse_collisions: true, ..Options::default() };
        let got = quickly(|| exchange(options, request("GET", &target, ""), echo));
        assert_eq!(got.status, if unknown_query == UnknownQuery::Reject { 400 } else { 200 });
    }
    let target = format!("/api/books/1?like.title={}", "%41".repeat(20_000));
    let got = quickly(|| send("GET", &target, ""));
    assert_eq!(
        got.called("GetBook", "shop.v1.GetBookRequest")["like"]["title"].as_str().map(str::len),
        Some(20_000)
    );
}

#[test]
fn text() {
    let body = format!(r#"{{"title": "{}"}}"#, "x".repeat(100_000_000));
    assert_eq!(
        quickly(|| send("POST", "/api/books/1:restock", &body)).refused(413).0,
        Code::ResourceExhausted as i64
    );
    for text in [&b"{\"title\": \"\xff\"}"[..], b"{\"title\": \"\\ud800\"}", b"{\"title\": \"a\nb\"}"] {
        let mut request = request("POST", "/api/books/1:restock", "{}");
        *request.body_mut() = narthex_wire::Body::full(text.to_vec());
        let (code, message) = exchange(Options::default(), request, echo).refused(400);
        assert_eq!(code, Code::InvalidArgument as i64);
        assert!(message.contains("line 1"), "{message}");
    }
}
