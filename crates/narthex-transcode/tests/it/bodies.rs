//! Bodies that are not plain JSON: compressed, forms, multipart, bytes; and what a PATCH says it updates.

use bytes::Bytes;
use http::Request;
use narthex_transcode::Options;
use narthex_wire::{Body, Encoding};
use serde_json::json;

use crate::support::{Exchange, echo, exchange, request, send};

fn with_type(method: &str, target: &str, content_type: &str, body: impl Into<Bytes>) -> Exchange {
    let request = Request::builder().method(method).uri(target).header("content-type", content_type);
    exchange(Options::default(), request.body(Body::full(body.into())).unwrap(), echo)
}

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
fn forms_are_messages() {
    let form = "application/x-www-form-urlencoded";
    let got = with_type("POST", "/api/books/1:restock", form, "title=A+b%21&author.born=1800&tags=x&tags=y");
    assert_eq!(
        got.called("Restock", "shop.v1.Book"),
        json!({"id": "1", "title": "A b!", "author": {"born": 1800}, "tags": ["x", "y"]})
    );
    let got = with_type("POST", "/api/books?update_mask=title", form, "title=T");
    assert_eq!(
        got.called("CreateBook", "shop.v1.UpdateBookRequest"),
        json!({"book": {"title": "T"}, "updateMask": "title"})
    );
    // What `curl -d` says of JSON.
    let got = with_type("POST", "/api/books/1:restock", form, r#" {"title": "T"}"#);
    assert_eq!(got.called("Restock", "shop.v1.Book"), json!({"id": "1", "title": "T"}));

    let (_, message) = with_type("POST", "/api/books/1:restock", form, "nope=1").refused(400);
    assert_eq!(message, "form field \"nope\": shop.v1.Book has no such field");
    let got = with_type("POST", "/api/books/1:restock", form, "author.born=x");
    assert_eq!(got.refused(400).1, "form field \"author.born\": \"x\" is no int32");
    assert_eq!(got.json()["details"][0]["fieldViolations"][0]["field"], "author.born");
}

#[test]
fn parts_of_a_form_are_fields() {
    let parts = [
        ("name=\"title\"", "", "T"),
        ("name=\"author.born\"", "", "1800"),
        ("name=\"tags\"", "", "x"),
        ("name=\"tags\"", "", "y"),
        ("name=\"cover\"; filename=\"a.png\"", "content-type: image/png\r\n", "\u{1}\u{2}"),
        ("name=\"sequel\"", "content-type: application/json\r\n", r#"{"title": "S"}"#),
    ];
    let parts = parts.map(|(name, headers, data)| {
        format!("--b\r\ncontent-disposition: form-data; {name}\r\n{headers}\r\n{data}\r\n")
    });
    let body = parts.concat() + "--b--\r\n";
    let got = with_type("POST", "/api/books/1:restock", "multipart/form-data; boundary=b", body.clone());
    assert_eq!(
        got.called("Restock", "shop.v1.Book"),
        json!({
            "id": "1", "title": "T", "author": {"born": 1800}, "tags": ["x", "y"], "cover": "AQI=", "sequel": {"title": "S"}
        })
    );
    let got = with_type("POST", "/api/books", "multipart/form-data; boundary=b", body.clone());
    assert_eq!(got.called("CreateBook", "shop.v1.UpdateBookRequest")["book"]["title"], "T");

    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    for (content_type, message) in [
        ("multipart/form-data", "the form cannot be read: the content-type names no boundary"),
        ("multipart/form-data; boundary=other", "the form cannot be read: incomplete multipart stream"),
        (&*long, "the form cannot be read: the boundary has to be of 1 to 70 characters"),
    ] {
        assert_eq!(
            with_type("POST", "/api/books/1:restock", content_type, body.clone()).refused(400),
            (3, message.to_owned())
        );
    }
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
    // Nothing to update, which is not the same as everything; and no body, which says nothing of it.
    assert_eq!(patch("/api/books/7", "{}"), "");
    assert_eq!(patch("/api/books/7", ""), serde_json::Value::Null);
    for target in ["/api/books/7?updateMask=title", "/api/books/7?update_mask=title"] {
        assert_eq!(patch(target, r#"{"title": "T", "genre": 1}"#), "title");
    }
    assert_eq!(patch("/api/books/7?update_mask=", r#"{"title": "T"}"#), "");
    let got = send("PATCH", "/api/books/7", r#"{"title": "T"}"#);
    assert!(got.called("UpdateBook", "shop.v1.UpdateBookRequest").get("updateMask").is_none());
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
}
