//! HTTP requests to gRPC messages.

use narthex_protojson::{ReadOptions, WriteOptions, wire_to_json};
use narthex_transcode::{Options, UnknownQuery};
use serde_json::json;

use crate::support::{compile, echo, exchange, request, send};

#[test]
fn path_variables_and_query_parameters_set_fields() {
    let got =
        send("GET", "/api/books/7?genre=GENRE_POETRY&tags=a&tags=b%20c&like.author.name=Ann&full=false", "");
    assert_eq!(
        got.called("GetBook", "shop.v1.GetBookRequest"),
        json!({"id": "7", "genre": "GENRE_POETRY", "tags": ["a", "b c"], "like": {"author": {"name": "Ann"}}, "full": false})
    );
    assert_eq!(got.status, 200);
}

#[test]
fn query_names_are_proto_or_json_names_and_values_follow_protojson() {
    let got = send(
        "GET",
        "/api/books/1?like.printedAt=2024-02-29T12:00:00Z&like.pages=0&like.cover=-_A&like.genre=1",
        "",
    );
    assert_eq!(
        got.called("GetBook", "shop.v1.GetBookRequest")["like"],
        json!({"printedAt": "2024-02-29T12:00:00Z", "pages": 0, "cover": "+/A=", "genre": "GENRE_POETRY"})
    );
}

#[test]
fn a_variable_wins_over_query_and_body() {
    let got = send("GET", "/api/books/7?id=8", "");
    assert_eq!(got.called("GetBook", "shop.v1.GetBookRequest"), json!({"id": "7"}));
    let got = send("PATCH", "/api/books/7", r#"{"id": 8, "title": "T"}"#);
    assert_eq!(
        got.called("UpdateBook", "shop.v1.UpdateBookRequest"),
        json!({"book": {"id": "7", "title": "T"}})
    );
    // Also when its value is the default, which protobuf would not send.
    let got = send("POST", "/api/books/0:restock", r#"{"id": 8}"#);
    assert_eq!(got.called("Restock", "shop.v1.Book"), json!({}));
}

#[test]
fn with_envoys_habits_the_body_wins() {
    let sent = |method, target, body| exchange(Options::envoy(), request(method, target, body), echo);
    let got = sent(
        "PATCH",
        "/api/books/7?book.title=Q&book.tags=q&book.genre=1",
        r#"{"id": 8, "title": "T", "tags": ["b"]}"#,
    );
    assert_eq!(
        got.called("UpdateBook", "shop.v1.UpdateBookRequest"),
        json!({"book": {"id": "8", "title": "T", "tags": ["b", "q"], "genre": "GENRE_POETRY"}})
    );
    let got = sent("GET", "/api/books/7?id=8&tags=a", "");
    assert_eq!(got.called("GetBook", "shop.v1.GetBookRequest"), json!({"id": "8", "tags": ["a"]}));
    let got = sent("PUT", "/api/files/n?file.content_type=t&name=m", "x");
    assert_eq!(
        got.called("Upload", "shop.v1.UploadRequest"),
        json!({"name": "m", "file": {"contentType": "application/json", "data": "eA=="}})
    );
    let options = Options { refuse_collisions: true, ..Options::envoy() };
    let sent = |target, body| exchange(options.clone(), request("PATCH", target, body), echo);
    for (target, field) in [("/api/books/7", "book.id"), ("/api/books/8?book.title=Q", "book.title")] {
        let (_, message) = sent(target, r#"{"id": 8, "title": "T"}"#).refused(400);
        assert_eq!(message, format!("{field} has one value in the body and another in the path or query"));
    }
    assert_eq!(sent("/api/books/8?book.tags=q", r#"{"id": 8, "tags": ["b"]}"#).status, 200);
}

#[test]
fn with_envoys_habits_every_body_is_json() {
    let sent = |target: &str, content_type: &str| {
        let request = http::Request::put(target).header("content-type", content_type);
        exchange(Options::envoy(), request.body(narthex_wire::Body::full("\"AQI=\"")).unwrap(), echo)
    };
    for content_type in
        ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "image/png", "text/x"]
    {
        let got = sent("/api/covers/1", content_type);
        assert_eq!(
            got.called("SetCover", "shop.v1.Book"),
            json!({"id": "1", "cover": "AQI="}),
            "{content_type}"
        );
        let mut request = request("POST", "/api/books/1:restock", r#"{"title": "T"}"#);
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let got = exchange(Options::envoy(), request, echo);
        assert_eq!(got.called("Restock", "shop.v1.Book"), json!({"id": "1", "title": "T"}), "{content_type}");
    }
}

#[test]
fn the_last_value_of_a_singular_field_wins() {
    let got = send("GET", "/api/books?page_size=1&pageSize=2", "");
    assert_eq!(got.called("ListBooks", "shop.v1.ListBooksRequest"), json!({"pageSize": 2}));
}

#[test]
fn a_body_is_the_message_or_one_field() {
    let got = send("POST", "/api/books/3:restock", r#"{"title": "T", "author": {"born": 1800}}"#);
    assert_eq!(
        got.called("Restock", "shop.v1.Book"),
        json!({"id": "3", "title": "T", "author": {"born": 1800}})
    );
    let got = send("POST", "/api/books?update_mask=title,printedAt", r#"{"title": "T"}"#);
    assert_eq!(
        got.called("CreateBook", "shop.v1.UpdateBookRequest"),
        json!({"book": {"title": "T"}, "updateMask": "title,printedAt"})
    );
    let got = send("PUT", "/api/books/3/tags", r#"["a", "b"]"#);
    assert_eq!(got.called("Retag", "shop.v1.GetBookRequest"), json!({"id": "3", "tags": ["a", "b"]}));
}

#[test]
fn an_empty_body_is_an_empty_message() {
    let got = send("POST", "/api/books/3:restock", "");
    assert_eq!(got.called("Restock", "shop.v1.Book"), json!({"id": "3"}));
    let got = send("POST", "/api/books", "");
    assert_eq!(got.called("CreateBook", "shop.v1.UpdateBookRequest"), json!({"book": {}}));
    let got = send("PUT", "/api/books/3/tags", "");
    assert_eq!(got.called("Retag", "shop.v1.GetBookRequest"), json!({"id": "3"}));
}

#[test]
fn a_body_nobody_asked_for_is_not_read() {
    let got = send("GET", "/api/books/3", "{ no json");
    assert_eq!(got.called("GetBook", "shop.v1.GetBookRequest"), json!({"id": "3"}));
}

#[test]
fn escapes_in_variables() {
    let name = |target| send("GET", target, "").called_name();
    assert_eq!(name("/api/any/a%2Fb%20c"), "a/b c");
    assert_eq!(name("/api/any/%E4%B8%96+"), "世+");
    // A variable of several segments keeps the slash escaped, else it could not be told from a separator.
    assert_eq!(name("/api/shelves/a%2Fb%20c"), "shelves/a%2Fb c");
    assert_eq!(name("/api/paths/a/b%2fc//%252F"), "a/b%2fc//%2F");
    assert_eq!(name("/api/paths"), "");
}

impl crate::support::Exchange {
    fn called_name(&self) -> String {
        let message = self.seen.as_ref().unwrap().message("shop.v1.NameRequest");
        message["name"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn unknown_query_parameters_are_named() {
    for (target, name) in [
        ("/api/books/1?nope=1", "nope"),
        ("/api/books/1?tags=a&like.nope=1", "like.nope"),
        ("/api/books/1?id.nope=1", "id.nope"),
        ("/api/books/1?tags.nope=1", "tags.nope"),
        ("/api/books/1?TAGS=a", "TAGS"),
        ("/api/books/1?no%20pe", "no pe"),
    ] {
        let (code, message) = send("GET", target, "").refused(400);
        assert_eq!((code, message), (3, format!("unknown query parameter {name:?}")));
    }
    // http.proto: with body "*" there are none.
    let (_, message) = send("POST", "/api/books/1:restock?title=x", "{}").refused(400);
    assert_eq!(message, "unknown query parameter \"title\"");

    let options = Options { unknown_query: UnknownQuery::Ignore, ..Options::default() };
    let got = exchange(options, request("GET", "/api/books/1?nope=1&full=true", ""), echo);
    assert_eq!(got.called("GetBook", "shop.v1.GetBookRequest"), json!({"id": "1", "full": true}));
}

/// The clients of googleapis/gapic-generator-python send `$alt=json;enum-encoding=int` escaped, others as it is.
#[test]
fn ignored_query_parameters_are_known_by_their_decoded_names() {
    let options = Options { ignored_query: vec!["$alt".into(), "key".into()], ..Options::default() };
    let sent = |method: &str, target: &str, body: &str| {
        exchange(options.clone(), request(method, target, body), echo)
    };
    for alt in ["$alt=json;enum-encoding=int", "%24alt=json%3Benum-encoding%3Dint", "k%65y"] {
        let got = sent("GET", &format!("/api/books/1?{alt}&full=true"), "");
        assert_eq!(got.called("GetBook", "shop.v1.GetBookRequest"), json!({"id": "1", "full": true}));
        let got = sent("POST", &format!("/api/books/1:restock?{alt}"), "{}");
        assert_eq!(got.called("Restock", "shop.v1.Book"), json!({"id": "1"}));
    }
    for (target, name) in [
        ("/api/books/1?%2524alt=json", "%24alt"),
        ("/api/books/1?alt=json", "alt"),
        ("/api/books/1?key.x=1", "key.x"),
    ] {
        let (_, message) = sent("GET", target, "").refused(400);
        assert_eq!(message, format!("unknown query parameter {name:?}"));
    }
}

/// Envoy's type, beside the HttpBody that carries it.
const CAPTURED: &str = r#"
    syntax = "proto3";
    package envoy.extensions.filters.http.grpc_json_transcoder.v3;
    import "google/api/httpbody.proto";
    message UnknownQueryParams {
      message Values { repeated string values = 1; }
      map<string, Values> key = 1;
    }
    message Upload { string name = 1; google.api.HttpBody file = 2; }
"#;

#[test]
fn unknown_query_parameters_are_kept_beside_an_http_body() {
    let pool = compile("captured.proto", CAPTURED);
    let sent = |method: &str, target: &str, kind: &str| {
        let options = Options { unknown_query: UnknownQuery::Capture, ..Options::default() };
        let mut request = request(method, target, "x");
        request.headers_mut().insert("content-type", "text/x".parse().unwrap());
        let seen = exchange(options, request, echo).seen.unwrap();
        let (kind, mut json) = (pool.message(kind).unwrap(), Vec::new());
        wire_to_json(&kind, &seen.body[5..], &WriteOptions::default(), &mut json).unwrap();
        serde_json::from_slice::<serde_json::Value>(&json).unwrap()
    };
    let kept = |key: serde_json::Value| {
        let package = "envoy.extensions.filters.http.grpc_json_transcoder.v3";
        json!([{"@type": format!("type.googleapis.com/{package}.UnknownQueryParams"), "key": key}])
    };
    let body = json!({"contentType": "text/x", "data": "eA=="});
    let with = |extensions| {
        let mut body = body.clone();
        body["extensions"] = extensions;
        body
    };
    let key = json!({"q": {"values": ["1", "a b"]}, "page.size": {"values": [""]}});
    let target = "?q=1&page.size&q=a%20b";
    assert_eq!(sent("POST", &format!("/api/echo{target}"), "google.api.HttpBody"), with(kept(key.clone())));
    // What is the message's own is no secret of the query's; and nothing is added where nothing is left over.
    let upload = "envoy.extensions.filters.http.grpc_json_transcoder.v3.Upload";
    assert_eq!(
        sent("PUT", &format!("/api/files/n{target}&file.content_type=t"), upload),
        json!({"name": "n", "file": {"contentType": "t", "data": "eA==", "extensions": kept(key)}})
    );
    assert_eq!(sent("POST", "/api/echo?data=eA", "google.api.HttpBody"), body);

    let options = Options { unknown_query: UnknownQuery::Capture, ..Options::default() };
    let got = exchange(options, request("GET", "/api/books/1?nope=1&full=true", ""), echo);
    assert_eq!(got.called("GetBook", "shop.v1.GetBookRequest"), json!({"id": "1", "full": true}));
    let options = Options { unknown_query: UnknownQuery::Capture, ..Options::default() };
    let (_, message) = exchange(options, request("POST", "/api/echo?q=%zz", ""), echo).refused(400);
    assert_eq!(message, "query parameter \"q\": \"%\" takes two hexadecimal digits");
}

#[test]
fn enum_values_may_come_in_any_case() {
    let read = ReadOptions { enums_in_any_case: true, ..ReadOptions::default() };
    let sent = |method, target, body| {
        exchange(Options { read, ..Options::default() }, request(method, target, body), echo)
    };
    let expect = json!({"id": "1", "genre": "GENRE_POETRY"});
    for target in ["/api/books/1?genre=genre_poetry", "/api/genres/Genre-Poetry/books/1"] {
        assert_eq!(sent("GET", target, "").called("GetBook", "shop.v1.GetBookRequest"), expect, "{target}");
    }
    let got = sent("POST", "/api/books/1:restock", r#"{"genre": "genre-poetry"}"#);
    assert_eq!(got.called("Restock", "shop.v1.Book"), expect);
    assert_eq!(send("GET", "/api/books/1?genre=genre_poetry", "").status, 400);
}

#[test]
fn values_that_do_not_fit_are_named() {
    for (target, message) in [
        ("/api/books/x", "path variable \"id\": \"x\" is no int64"),
        ("/api/books/9223372036854775808", "path variable \"id\": 9223372036854775808 does not fit int64"),
        ("/api/books/1?full=1", "query parameter \"full\": \"1\" is no bool; it is true or false"),
        ("/api/books/1?genre=poetry", "query parameter \"genre\": \"poetry\" is no value of shop.v1.Genre"),
        ("/api/books/1?like=x", "query parameter \"like\": text is no shop.v1.Book"),
        ("/api/books?page_token=%zz", "query parameter \"page_token\": \"%\" takes two hexadecimal digits"),
        ("/api/books?page_token=%ff", "query parameter \"page_token\": it is not UTF-8"),
        ("/api/genres/poetry/books/1", "path variable \"genre\": \"poetry\" is no value of shop.v1.Genre"),
        ("/api/any/%ff", "path variable \"name\": it is not UTF-8"),
    ] {
        assert_eq!(send("GET", target, "").refused(400), (3, message.to_owned()));
    }
}

#[test]
fn plus_is_a_space_only_if_asked_for() {
    let target = "/api/books?page_token=a+b%2B";
    let got = send("GET", target, "");
    assert_eq!(got.called("ListBooks", "shop.v1.ListBooksRequest"), json!({"pageToken": "a+b+"}));
    let options = Options { plus_is_space: true, ..Options::default() };
    let got = exchange(options, request("GET", target, ""), echo);
    assert_eq!(got.called("ListBooks", "shop.v1.ListBooksRequest"), json!({"pageToken": "a b+"}));
}

#[test]
fn bad_json_says_where() {
    for (body, place) in [
        ("{\"title\": \"T\",\n \"id\": }", "id: expected a value at line 2 column 8"),
        ("{\"author\": {\"born\": \"x\"}}", "author.born: \"x\" is no int32 at line 1 column 21"),
        ("{\"tags\": [\"a\", 1]}", "tags[1]: a number is no string at line 1 column 16"),
        ("{\"titel\": 1}", "shop.v1.Book has no field \"titel\" at line 1 column 2"),
        ("{} {}", "there is something after the value at line 1 column 4"),
    ] {
        let (code, message) = send("POST", "/api/books/1:restock", body).refused(400);
        assert_eq!((code, message), (3, format!("the body does not fit the request: {place}")));
    }
    let (_, message) = send("POST", "/api/books", "{\"title\": 1}").refused(400);
    assert!(message.contains("book.title: a number is no string"), "{message}");
}

#[test]
fn a_body_nests_as_deep_as_protobuf_parsers_read() {
    // The body is the field `like` of the request, which is a message of its own already.
    let lists = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let deep = |levels| send("PUT", "/api/books/1/like", &format!(r#"{{"notes": {}}}"#, lists(levels)));
    assert_eq!(deep(50).status, 200);
    let (code, message) = deep(51).refused(400);
    assert_eq!(code, 3);
    assert!(message.starts_with("the body does not fit the request: like.notes[0][0]"), "{message}");
    assert!(message.contains("nested deeper than 100"), "{message}");

    let query =
        |levels: usize| send("GET", &format!("/api/books/1?like.{}title=x", "sequel.".repeat(levels)), "");
    assert_eq!(query(99).status, 200);
    for levels in [100, 8_000] {
        let (code, message) = query(levels).refused(400);
        assert_eq!(code, 3);
        assert!(message.starts_with("query parameter \"like.sequel.") && message.contains("deeper than 100"));
    }
}

#[test]
fn only_json_is_json() {
    let with_type = |content_type: &str| {
        let mut request = request("POST", "/api/books/1:restock", "{}");
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        exchange(Options::default(), request, echo)
    };
    for content_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/merge-patch+json",
        "text/plain",
        // What `curl -d` says of any data.
        "application/x-www-form-urlencoded",
    ] {
        assert_eq!(with_type(content_type).status, 200, "{content_type}");
    }
    for content_type in ["application/octet-stream", "application/protobuf", "multipart/mixed; boundary=x"] {
        let (code, message) = with_type(content_type).refused(415);
        assert_eq!(
            (code, message),
            (3, format!("the body is {content_type}; application/json is always understood"))
        );
    }
}

#[test]
fn a_body_over_the_limit_is_413() {
    let options = || Options { max_body: 10, ..Options::default() };
    let long = "{\"title\": \"long\"}";
    assert_eq!(exchange(options(), request("POST", "/api/books", long), echo).refused(413).0, 8);
    let mut announced = request("POST", "/api/books", "{}");
    announced.headers_mut().insert("content-length", "11".parse().unwrap());
    assert_eq!(exchange(options(), announced, echo).refused(413).0, 8);
    assert_eq!(exchange(options(), request("POST", "/api/books", "{}        "), echo).status, 200);
}

#[test]
fn the_head_is_that_of_a_grpc_call() {
    let mut request = request("GET", "/api/books/1?full=true", "");
    for (name, value) in
        [("authorization", "Bearer t"), ("accept-encoding", "gzip"), ("grpc-timeout", "2S"), ("host", "shop")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request.extensions_mut().insert("kept");
    let seen = exchange(Options::default(), request, echo).seen.unwrap().request;
    assert_eq!(
        (seen.method.as_str(), seen.uri.to_string().as_str()),
        ("POST", "/shop.v1.ShopService/GetBook")
    );
    let mut headers: Vec<String> =
        seen.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    assert_eq!(
        headers,
        ["authorization: Bearer t", "content-type: application/grpc", "grpc-timeout: 2S", "te: trailers"]
    );
    assert_eq!(seen.extensions.get::<&str>(), Some(&"kept"));
}

#[test]
fn http_bodies_pass_as_they_are() {
    let mut upload = request("PUT", "/api/files/a.txt", "\u{1}not json");
    upload.headers_mut().insert("content-type", "text/x; charset=utf-8".parse().unwrap());
    let got = exchange(Options::default(), upload, echo);
    assert_eq!(
        got.called("Upload", "shop.v1.UploadRequest"),
        json!({"name": "a.txt", "file": {"contentType": "text/x; charset=utf-8", "data": "AW5vdCBqc29u"}})
    );
    assert_eq!(
        (got.header("content-type"), &got.body[..]),
        (Some("text/x; charset=utf-8"), &b"\x01not json"[..])
    );

    let got = send("POST", "/api/echo", "[1 ,2]");
    assert_eq!((got.header("content-type"), &got.body[..]), (Some("application/json"), &b"[1 ,2]"[..]));
    let got = send("POST", "/api/echo", "");
    assert_eq!((got.header("content-type"), got.body.len()), (Some("application/octet-stream"), 0));
}

#[test]
fn every_method_has_its_own_path() {
    let got = send("POST", "/shop.v1.ShopService/NoBinding", r#"{"name": "x"}"#);
    assert_eq!(got.called("NoBinding", "shop.v1.NameRequest"), json!({"name": "x"}));
    assert_eq!(got.status, 200);
    let (code, message) = send("POST", "/shop.v1.ShopService/GetBook", r#"{"nope": 1}"#).refused(400);
    assert_eq!(code, 3);
    assert!(message.contains("nope"), "{message}");
    // Only as JSON: other content types there may be other protocols'.
    for content_type in ["application/proto", "text/plain", "application/x-www-form-urlencoded"] {
        let mut request = request("POST", "/shop.v1.ShopService/GetBook", "{}");
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let seen = exchange(Options::default(), request, echo).seen.unwrap();
        assert_eq!(seen.request.headers["content-type"], content_type);
    }
    assert_eq!(send("GET", "/shop.v1.ShopService/GetBook", "").seen.unwrap().request.method, "GET");
}
