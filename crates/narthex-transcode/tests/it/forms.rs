//! Forms, by either of their types, as messages.

use http::Request;
use narthex_transcode::Options;
use narthex_wire::Body;
use serde_json::json;

use crate::support::{Exchange, echo, exchange, with_type};

const PARTS: &str = "multipart/form-data; boundary=b";

/// A part with this disposition, these headers and these data.
fn part(disposition: &str, headers: &str, data: &str) -> String {
    format!("--b\r\nContent-Disposition: {disposition}\r\n{headers}\r\n{data}\r\n")
}

fn restock(content_type: &str, body: impl Into<String>) -> Exchange {
    with_type("POST", "/api/books/1:restock", content_type, body.into())
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
        (
            "multipart/form-data; boundary=other",
            "the form cannot be read: it ends before its last boundary, or has none",
        ),
        (&*long, "the form cannot be read: the boundary has to be of 1 to 70 characters"),
    ] {
        assert_eq!(
            with_type("POST", "/api/books/1:restock", content_type, body.clone()).refused(400),
            (3, message.to_owned())
        );
    }
}

#[test]
fn a_patch_by_a_form_says_what_it_updates() {
    let options = Options { fill_update_mask: true, ..Options::default() };
    let patch = |target: &str, content_type: &str, body: &str| {
        let request = Request::builder().method("PATCH").uri(target).header("content-type", content_type);
        exchange(options.clone(), request.body(Body::full(body.to_owned())).unwrap(), echo)
    };
    let book = |content_type: &str, body: &str| {
        let got = patch("/api/books/7", content_type, body);
        got.called("UpdateBook", "shop.v1.UpdateBookRequest")["updateMask"].clone()
    };
    let edit = |content_type: &str, body: &str| {
        let got = patch("/api/edits", content_type, body);
        got.called("EditBook", "shop.v1.UpdateBookRequest")["updateMask"].clone()
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(
        book(form, "title=T&author.born=1&tags=a&tags=b&printedAt=2024-02-29T12:00:00Z"),
        "author.born,printedAt,tags,title"
    );
    assert_eq!(book(form, r#"{"title": "T"}"#), "title");
    assert_eq!(edit(form, "book.title=T&book.author.born=1"), "author.born,title");
    assert_eq!(edit(form, "book.title=T&update_mask=tags"), "tags");
    assert_eq!(edit(form, ""), serde_json::Value::Null);

    let parts = "multipart/form-data; boundary=b";
    let part = |name: &str, headers: &str, data: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n{headers}\r\n{data}\r\n")
    };
    let json = "content-type: application/json\r\n";
    let file =
        part("cover", "content-type: image/png\r\n", "\u{1}") + &part("author", json, r#"{"name": "A"}"#);
    assert_eq!(book(parts, &(file.clone() + "--b--\r\n")), "author.name,cover");
    let whole = part("book.title", "", "T") + &part("book", json, r#"{"author": {"name": "A"}, "genre": 1}"#);
    assert_eq!(edit(parts, &(whole.clone() + "--b--\r\n")), "author.name,genre,title");
    assert_eq!(edit(parts, &(whole.clone() + &part("updateMask", "", "tags") + "--b--\r\n")), "tags");
    // null is what is not there.
    assert_eq!(
        edit(parts, &(whole + &part("updateMask", json, "null") + "--b--\r\n")),
        "author.name,genre,title"
    );
    assert_eq!(edit(parts, &(part("book", json, "null") + "--b--\r\n")), serde_json::Value::Null);
    assert_eq!(edit(parts, &(part("book", json, "{}") + "--b--\r\n")), "");
    // The members of a file are not the message's.
    let data = part("book.cover\"; filename=\"a", json, r#"{"title": "T"}"#);
    assert_eq!(edit(parts, &(data + "--b--\r\n")), "cover");
    let got = patch("/api/books/7?update_mask=tags", parts, &(file + "--b--\r\n"));
    assert_eq!(got.called("UpdateBook", "shop.v1.UpdateBookRequest")["updateMask"], "tags");
}

#[test]
fn a_part_is_named_by_its_disposition_alone() {
    for disposition in [
        "form-data; name=title",
        "form-data;name=\"title\"",
        "Form-Data ; Name = \"title\" ; filename=\"a.txt\"",
        "form-data; filename=\"a; name=tags\"; name=\"title\"",
        "form-data; filename=\"a\\\"; name=tags; \\\\\"; name=\"title\"",
        "form-data; filename=\"C:\\name\"; name=\"title\"",
        "form-data; filename*=UTF-8''na%C3%AFve%20name=tags.txt; name=title",
        "form-data; filename=\"na\u{ef}ve\"; name*=tags; name=title;",
        "form-data; filename; name=title",
    ] {
        let got = restock(PARTS, part(disposition, "", "T") + "--b--");
        assert_eq!(got.called("Restock", "shop.v1.Book"), json!({"id": "1", "title": "T"}), "{disposition}");
    }
    let no_name = "the form cannot be read: a part has no name";
    for (disposition, message) in [
        ("form-data", no_name),
        ("form-data; filename=\"a", no_name),
        ("form-data; name=\"\"", no_name),
        ("form-data; name=\"a\\\"b\"", "form field \"a\\\"b\": shop.v1.Book has no such field"),
    ] {
        let got = restock(PARTS, part(disposition, "", "T") + "--b--");
        assert_eq!(got.refused(400).1, message, "{disposition}");
    }
    // What is no header is not passed over in silence.
    let bare = "--b\r\n\r\ndata\r\n\r\nmore\r\n--b--";
    assert_eq!(restock(PARTS, bare).refused(400).1, no_name);
}

#[test]
fn boundaries() {
    for (content_type, boundary) in [
        ("multipart/form-data; boundary=\"a b\"", "a b"),
        ("multipart/form-data;charset=utf-8;boundary=gc0p4Jq0M:2Yt=08/jU", "gc0p4Jq0M:2Yt=08/jU"),
        ("Multipart/Form-Data; Boundary=----x; q=1", "----x"),
        ("multipart/form-data; boundary=b;", "b"),
    ] {
        let body = format!(
            "a preamble\r\n--{boundary}\r\nContent-Disposition: form-data; name=title\r\n\r\n\r\n\
             --{boundary} \t\r\nContent-Disposition: form-data; name=tags\r\n\r\n--\r\n--{boundary}--\r\n\
             an epilogue\r\n--{boundary}\r\n"
        );
        let got = restock(content_type, body);
        assert_eq!(
            got.called("Restock", "shop.v1.Book"),
            json!({"id": "1", "tags": ["--"]}),
            "{content_type}"
        );
    }
    let cut = part("form-data; name=title", "", "T");
    for body in [cut.as_str(), &(cut.clone() + "--b"), &(cut.clone() + "--b-"), "--b\r\n", "", "--c--"] {
        let message = "the form cannot be read: it ends before its last boundary, or has none";
        assert_eq!(restock(PARTS, body).refused(400).1, message, "{body:?}");
    }
}

#[test]
fn files_are_bytes_and_http_bodies() {
    let cover = |disposition: &str, kind: &str, data: &str| {
        let got = restock(PARTS, part(disposition, kind, data) + "--b--").called("Restock", "shop.v1.Book");
        got.get("cover").and_then(|cover| cover.as_str()).unwrap_or_default().to_owned()
    };
    for (kind, data, expect) in [
        ("Content-Type: application/octet-stream\r\n", "", ""),
        ("Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n", "\r\n--a\r\n", "DQotLWENCg=="),
        // What is in parts itself is one value here.
        ("Content-Type: multipart/mixed; boundary=c\r\n", "--c\r\n\r\n1\r\n--c--", "LS1jDQoNCjENCi0tYy0t"),
        ("Content-Type: application/geo+json\r\n", "{}", "e30="),
        ("Content-Type: application/json; charset=utf-8\r\n", "\"AQI=\"", "IkFRST0i"),
        ("Content-Type: application/x-www-form-urlencoded\r\n", "a=b", "YT1i"),
    ] {
        assert_eq!(cover("form-data; name=cover; filename=a", kind, data), expect, "{kind}");
    }
    // JSON that is no file says bytes in base64; a browser says of no file that its name is empty.
    let json = "Content-Type: application/json\r\n";
    for disposition in ["form-data; name=cover", "form-data; name=cover; filename=\"\""] {
        assert_eq!(cover(disposition, json, "\"AQI=\""), "AQI=", "{disposition}");
    }
    assert_eq!(cover("form-data; name=cover; filename*=UTF-8''a", json, "{}"), "e30=");
    assert_eq!(cover("form-data; name=cover; filename=\"\"", "Content-Type: image/png\r\n", "{}"), "e30=");
    let kind = "Text/CSV; Charset=\"utf-8\"";
    let file = part("form-data; name=file; filename=a", &format!("Content-Type: {kind}\r\n"), "a,b");
    let got =
        with_type("POST", "/api/uploads", PARTS, part("form-data; name=name", "", "N") + &file + "--b--");
    assert_eq!(
        got.called("SendFile", "shop.v1.UploadRequest"),
        json!({"name": "N", "file": {"contentType": kind, "data": "YSxi"}})
    );
    let latin =
        part("form-data; name=title", "Content-Type: text/plain; charset=iso-8859-1\r\n", "#") + "--b--";
    let latin: Vec<u8> = latin.bytes().map(|byte| if byte == b'#' { 0xe9 } else { byte }).collect();
    let got = with_type("POST", "/api/books/1:restock", PARTS, latin);
    assert_eq!(got.refused(400).1, "form field \"title\": it is not UTF-8");
}

#[test]
fn a_list_comes_in_as_many_parts_as_it_has_elements() {
    let json = "content-type: application/json\r\n";
    let merged = |data: &[&str]| {
        let parts =
            data.iter().map(|data| part("form-data; name=contributors", json, data)).collect::<String>();
        let request = Request::patch("/api/merges").header("content-type", PARTS);
        exchange(Options::default(), request.body(Body::full(parts + "--b--")).unwrap(), echo)
    };
    for data in [
        &[r#"{"name": "A"}"#, r#" {"born": 1}"#][..],
        &[r#"[{"name": "A"}, {"born": 1}]"#],
        &[r#"[{"name": "A"}]"#, "null", "[]", r#"{"born": 1}"#],
    ] {
        assert_eq!(
            merged(data).called("MergeBooks", "shop.v1.MergeBooksRequest"),
            json!({"contributors": [{"name": "A"}, {"born": 1}]}),
            "{data:?}"
        );
    }
    let (_, message) = merged(&[r#"{"name": "A"}"#, r#"{"born": "x"}"#]).refused(400);
    assert_eq!(
        message,
        "the body does not fit the request: contributors.born: \"x\" is no int32 at line 1 column 10"
    );
    assert!(merged(&["{}, {}"]).refused(400).1.contains("something after the value"));
}
