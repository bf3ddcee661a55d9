//! Bodies that are not plain JSON: compressed, bytes; and what a PATCH says it updates.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use narthex_transcode::{Options, TranscodeLayer, UnknownQuery};
use narthex_wire::{Body, Encoding, Status, unary_response};
use serde_json::json;
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::support::{Answering, compile, echo, exchange, read, request, send, table, with_type};

fn compressed(encoding: Encoding, body: &[u8]) -> Request<Body> {
    let mut data = Vec::new();
    encoding.compress(body, &mut data);
    let mut request = request("POST", "/api/books/1:restock", "{}");
    request.headers_mut().insert("content-encoding", encoding.to_header());
    *request.body_mut() = Body::full(data);
    request
}

#[test]
fn a_body_may_be_compressed() {
    for encoding in [Encoding::Gzip, Encoding::Brotli, Encoding::Zstd, Encoding::Deflate] {
        let got = exchange(Options::default(), compressed(encoding, br#"{"title": "T"}"#), echo);
        assert_eq!(got.called("Restock", "shop.v1.Book"), json!({"id": "1", "title": "T"}), "{encoding:?}");
    }
}

#[test]
fn a_body_ends_where_its_compressed_data_do() {
    let with = |encoding: Encoding, parts: &[&[u8]]| {
        let mut request = compressed(encoding, b"");
        let mut data = Vec::new();
        for part in parts {
            encoding.compress(part, &mut data);
        }
        *request.body_mut() = Body::full(data.clone());
        let whole = exchange(Options::default(), request, echo);
        let mut request = compressed(encoding, b"");
        data.extend(b"rubbish");
        *request.body_mut() = Body::full(data);
        (whole, exchange(Options::default(), request, echo))
    };
    for encoding in [Encoding::Gzip, Encoding::Brotli, Encoding::Zstd, Encoding::Deflate] {
        let (whole, longer) = with(encoding, &[br#"{"title": "T"}"#]);
        assert_eq!(whole.status, 200);
        let message = format!(
            "the body says that its encoding is {}, and it cannot be decompressed so",
            encoding.name()
        );
        assert_eq!(longer.refused(400).1, message);
    }
    // These may be of several members, one after the other (RFC 1952 2.2, RFC 8878 3.1).
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let (whole, _) = with(encoding, &[br#"{"title":"#, br#" "T"}"#]);
        assert_eq!(whole.called("Restock", "shop.v1.Book"), json!({"id": "1", "title": "T"}));
    }
}

#[test]
fn a_body_compressed_otherwise_is_refused() {
    let with = |encoding: &str, body: &str| {
        let mut request = request("POST", "/api/books/1:restock", body);
        request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
        exchange(Options::default(), request, echo)
    };
    for unknown in ["compress", "gzip, br", ""] {
        let got = with(unknown, "{}");
        assert_eq!(got.refused(415).0, 3);
        assert_eq!(got.header("accept-encoding"), Some("gzip, br, zstd"));
    }
    let (_, message) = with("gzip", "{}").refused(400);
    assert_eq!(message, "the body says that its encoding is gzip, and it cannot be decompressed so");
    assert_eq!(with("identity", "{}").status, 200);
    let mut older = compressed(Encoding::Gzip, b"{}");
    older.headers_mut().insert("content-encoding", " X-Gzip ".parse().unwrap());
    assert_eq!(exchange(Options::default(), older, echo).status, 200);
}

#[test]
fn the_limit_is_that_of_the_decompressed_body() {
    let options = Options { max_body: 1000, ..Options::default() };
    let bomb = format!(r#"{{"title": "{}"}}"#, "a".repeat(100_000));
    let (code, message) = exchange(options, compressed(Encoding::Gzip, bomb.as_bytes()), echo).refused(413);
    assert_eq!((code, message.as_str()), (8, "the body is larger than 1000 bytes"));
}

#[test]
fn answers_are_compressed_where_asked_for() {
    let long = "a tale ".repeat(500);
    let body = json!({"title": long}).to_string();
    let asked = |accept: &str, body: &str| {
        let mut request = request("POST", "/api/books/1:restock", body);
        request.headers_mut().insert("accept-encoding", accept.parse().unwrap());
        exchange(Options::default(), request, echo)
    };
    for (accept, encoding) in [
        ("gzip", Encoding::Gzip),
        ("gzip, br", Encoding::Brotli),
        ("gzip, br;q=0.5, zstd;q=0.1", Encoding::Gzip),
        ("*", Encoding::Zstd),
    ] {
        let got = asked(accept, &body);
        assert_eq!(got.header("content-encoding"), Some(encoding.name()), "{accept}");
        assert_eq!(got.header("vary"), Some("accept-encoding"));
        assert_eq!(got.header("content-length").unwrap(), got.body.len().to_string());
        let json = encoding.decompress(got.body, 1 << 20).unwrap();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&json).unwrap(),
            json!({"id": "1", "title": long})
        );
    }
    let mut varied = request("POST", "/api/books/1:restock", &body);
    varied.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let got = exchange(Options::default(), varied, |seen| {
        let mut response = echo(seen);
        response.headers_mut().insert("vary", "authorization".parse().unwrap());
        response
    });
    let vary: Vec<_> = got.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["authorization", "accept-encoding"], "the servicer's own stays");
    let got = asked("gzip;q=0, identity", &body);
    assert_eq!((got.header("content-encoding"), got.header("vary")), (None, Some("accept-encoding")));
    // Not worth it.
    let got = asked("gzip", r#"{"title": "T"}"#);
    assert_eq!((got.header("content-encoding"), got.header("vary")), (None, None));
}

#[test]
fn what_the_servicer_says_of_its_answer_stays_true_where_it_is_compressed() {
    let body = json!({"title": "a tale ".repeat(500)}).to_string();
    let answered = |accept: &str, headers: &[(&'static str, &'static str)]| {
        let mut request = request("POST", "/api/books/1:restock", &body);
        request.headers_mut().insert("accept-encoding", accept.parse().unwrap());
        let headers = headers.to_vec();
        exchange(Options::default(), request, move |seen| {
            let mut response = echo(seen);
            response.headers_mut().extend(
                headers
                    .iter()
                    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))),
            );
            response
        })
    };
    // RFC 9110 8.8.3.3: one tag for several encodings is a weak one.
    for (accept, given, tag) in [
        ("gzip", "\"a\"", "W/\"a\""),
        ("gzip", "W/\"a\"", "W/\"a\""),
        ("identity", "\"a\"", "\"a\""),
        ("gzip", "rubbish", "rubbish"),
    ] {
        assert_eq!(answered(accept, &[("etag", given)]).header("etag"), Some(tag), "{accept} {given}");
    }
    for headers in [
        [("cache-control", "no-transform"), ("etag", "\"a\"")],
        [("cache-control", "max-age=60 ,No-Transform, private"), ("etag", "\"a\"")],
        [("content-range", "bytes 0-99/100"), ("etag", "\"a\"")],
    ] {
        let got = answered("gzip", &headers);
        assert_eq!(
            (got.header("content-encoding"), got.header("etag")),
            (None, Some("\"a\"")),
            "{headers:?}"
        );
    }
    let got = answered("gzip", &[("cache-control", "no-cache, x=\"no-transforms\"")]);
    assert_eq!(got.header("content-encoding"), Some("gzip"));
}

#[test]
fn bytes_are_a_bytes_field() {
    let got = with_type("PUT", "/api/covers/1", "image/png", Bytes::from_static(b"\xff\x00"));
    assert_eq!(got.called("SetCover", "shop.v1.Book"), json!({"id": "1", "cover": "/wA="}));
    let got = with_type("PUT", "/api/covers/1", "application/json", "\"/wA=\"");
    assert_eq!(got.called("SetCover", "shop.v1.Book"), json!({"id": "1", "cover": "/wA="}));
}

#[test]
fn a_patch_says_what_it_updates() {
    let options = Options { fill_update_mask: true, ..Options::default() };
    let patch = |target: &str, body: &str| {
        let got = exchange(options.clone(), request("PATCH", target, body), echo);
        got.called("UpdateBook", "shop.v1.UpdateBookRequest")["updateMask"].clone()
    };
    assert_eq!(
        patch("/api/books/7", r#"{"title": "T", "author": {"born": 1}, "tags": []}"#),
        "author.born,tags,title"
    );
    assert_eq!(
        patch("/api/books/7", r#"{"printedAt": "2024-02-29T12:00:00Z", "author": {}}"#),
        "author,printedAt"
    );
    // By either name, however deep; null takes away what was there; lists and messages of JSON's own kinds are one value.
    for (body, mask) in [
        (r#"{"printed_at": null, "title": null}"#, "printedAt,title"),
        (
            r#"{"sequel": {"sequel": {"printed_at": null, "author": {"name": ""}}}}"#,
            "sequel.sequel.author.name,sequel.sequel.printedAt",
        ),
        (r#"{"notes": [{"a": 1}], "pages": 3, "cover": "AA=="}"#, "cover,notes,pages"),
    ] {
        assert_eq!(patch("/api/books/7", body), mask);
    }
    // Nothing to update, which is not the same as everything; and no body, or none of the resource, which says nothing of it.
    assert_eq!(patch("/api/books/7", "{}"), "");
    for none in ["", "null"] {
        assert_eq!(patch("/api/books/7", none), serde_json::Value::Null, "{none}");
    }
    // What the query says of the resource is updated too; what the path says of it is not.
    for (query, body, mask) in [
        ("book.title=Q", r#"{"author": {"born": 1}}"#, "author.born,title"),
        ("book.author.name=Q&book.tags=a", r#"{"author": {"born": 1}}"#, "author.born,author.name,tags"),
        ("book.title=Q", "{}", "title"),
        ("book.title=Q", "", "title"),
        ("book.title=Q", "null", "title"),
        ("book.id=8&book.title=Q", "{}", "title"),
    ] {
        assert_eq!(patch(&format!("/api/books/7?{query}"), body), mask, "{query} {body}");
    }
    for target in ["/api/books/7?updateMask=title", "/api/books/7?update_mask=title"] {
        assert_eq!(patch(target, r#"{"title": "T", "genre": 1}"#), "title");
    }
    assert_eq!(patch("/api/books/7?update_mask=", r#"{"title": "T"}"#), "");
    let got = send("PATCH", "/api/books/7", r#"{"title": "T"}"#);
    assert!(got.called("UpdateBook", "shop.v1.UpdateBookRequest").get("updateMask").is_none());
}

#[test]
fn a_patch_of_the_whole_request_says_what_of_its_resource_it_updates() {
    let options = Options { fill_update_mask: true, ..Options::default() };
    let edit = |body: &str| {
        let got = exchange(options.clone(), request("PATCH", "/api/edits", body), echo);
        got.called("EditBook", "shop.v1.UpdateBookRequest")["updateMask"].clone()
    };
    let unset = serde_json::Value::Null;
    assert_eq!(edit(r#"{"book": {"title": null, "author": {"born": 1}}}"#), "author.born,title");
    assert_eq!(edit(r#"{"book": {}}"#), "");
    for none in ["{}", "", r#"{"book": null}"#] {
        assert_eq!(edit(none), unset, "{none}");
    }
    assert_eq!(edit(r#"{"updateMask": "tags", "book": {"title": "T"}}"#), "tags");
    assert_eq!(edit(r#"{"update_mask": "", "book": {"title": "T"}}"#), "");
    assert_eq!(edit(r#"{"updateMask": null, "book": {"title": "T"}}"#), "title");
    let beside = Options { query_beside_body: true, ..options.clone() };
    let edit = |options: &Options, target: &str| {
        let got = exchange(options.clone(), request("PATCH", target, r#"{"book": {"title": "T"}}"#), echo);
        got.called("EditBook", "shop.v1.UpdateBookRequest")["updateMask"].clone()
    };
    assert_eq!(edit(&beside, "/api/edits?book.genre=1"), "genre,title");
    assert_eq!(edit(&beside, "/api/edits?book.genre=1&update_mask=tags"), "tags");
    let ignored = Options { unknown_query: UnknownQuery::Ignore, ..options.clone() };
    assert_eq!(edit(&ignored, "/api/edits?book.genre=1"), "title");

    // Of two messages it is the one that the path names.
    let merge = |target: &str| {
        let body = r#"{"other": {"genre": 1}, "book": {"title": "T"}, "reason": "R"}"#;
        let got = exchange(options.clone(), request("PATCH", target, body), echo);
        got.called("MergeBooks", "shop.v1.MergeBooksRequest")["updateMask"].clone()
    };
    assert_eq!(merge("/api/books/7:merge"), "title");
    assert_eq!(merge("/api/merges"), unset);
}

#[test]
fn a_field_given_twice_can_be_refused() {
    let options = Options { refuse_collisions: true, ..Options::default() };
    let patch = |target: &str, body: &str| exchange(options.clone(), request("PATCH", target, body), echo);
    let got = patch("/api/books/7", r#"{"id": 8}"#);
    let message = "book.id has one value in the body and another in the path or query";
    assert_eq!(got.refused(400), (3, message.to_owned()));
    assert_eq!(patch("/api/books/7", r#"{"id": "7"}"#).status, 200);
    assert_eq!(patch("/api/books/7?book.tags=a", r#"{"tags": ["b"]}"#).status, 200);
    // However often its message comes.
    let form = |body: &str| {
        let request =
            Request::patch("/api/books/7").header("content-type", "application/x-www-form-urlencoded");
        exchange(options.clone(), request.body(Body::full(body.to_owned())).unwrap(), echo)
    };
    for body in ["id=5&title=T", "title=T&id=5", "id=7&title=T&id=5"] {
        assert_eq!(form(body).refused(400), (3, message.to_owned()), "{body}");
    }
    for body in ["id=7&title=T", "title=T&id=7", "id=5&title=T&id=7"] {
        assert_eq!(form(body).status, 200, "{body}");
    }
}

const GROUPS: &str = r#"
    syntax = "proto2";
    package old.v1;
    import "google/api/annotations.proto";
    message Shelf {
      optional group Place = 1 { optional int32 row = 1; optional bytes plan = 2; }
      optional string name = 2;
    }
    service Shelves {
      rpc Put(Shelf) returns (Shelf) { option (google.api.http) = { put: "/shelves/{name}" body: "*" }; }
    }
"#;

#[test]
fn groups_are_messages_as_others() {
    let pool = compile("groups.proto", GROUPS);
    let table = Arc::new(table(&pool, &["old.v1.Shelves"]).unwrap());
    let sent = |target: &str, content_type: &str, body: &str| {
        let options = Options { refuse_collisions: true, query_beside_body: true, ..Options::default() };
        let service = Answering(Arc::new(echo_of));
        let mut layer = TranscodeLayer::new(table.clone(), options).layer(service);
        let request = Request::put(target).header("content-type", content_type);
        let call = layer.call(request.body(Body::full(body.to_owned())).unwrap());
        let response = call.now_or_never().expect("nothing here waits").unwrap();
        let body: serde_json::Value = serde_json::from_slice(&read(response.into_body()).0).unwrap();
        body.get("message").cloned().unwrap_or(body)
    };
    let json = "application/json";
    let place = r#"{"place": {"row": 1}, "name": "a"}"#;
    assert_eq!(sent("/shelves/a?place.row=1", json, place), json!({"place": {"row": 1}, "name": "a"}));
    let refused = |field: &str| format!("{field} has one value in the body and another in the path or query");
    assert_eq!(sent("/shelves/b", json, place), refused("name"), "it comes after a group");
    assert_eq!(sent("/shelves/a?place.row=2", json, place), refused("place.row"));
    // A part into a group.
    let part = "--b\r\ncontent-disposition: form-data; name=place.plan\r\n\r\n\u{1}\u{2}\r\n--b--";
    assert_eq!(
        sent("/shelves/a", "multipart/form-data; boundary=b", part),
        json!({"place": {"plan": "AQI="}, "name": "a"})
    );
}

/// The message that was sent, back.
fn echo_of(request: Request<Body>) -> Response<Body> {
    let (message, _) = read(request.into_body());
    unary_response(message, HeaderMap::new(), Status::ok().into_trailers())
}
