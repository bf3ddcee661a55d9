//! Which request matches which binding.

use http::Method;

use crate::support::{compile, table};

/// Routes named by their methods, from (name, rule) pairs.
fn routes(rules: &[(&str, &str)]) -> narthex_transcode::RouteTable {
    let method = |(name, rule): &(&str, &str)| {
        format!("rpc {name}(M) returns (M) {{ option (google.api.http) = {{ {rule} }}; }}\n")
    };
    let methods = rules.iter().map(method).collect::<Vec<_>>().concat();
    let source = format!(
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\";\n\
         message M {{ string x = 1; string y = 2; M sub = 3; }}\nservice S {{ {methods} }}"
    );
    table(&compile("t.proto", &source), &["t.S"]).unwrap()
}

fn check(table: &narthex_transcode::RouteTable, method: &str, path: &str, expect: Option<&str>) {
    let found = table.find(&Method::from_bytes(method.as_bytes()).unwrap(), path);
    let place = found.map(|found| found.route.place().trim_start_matches("t.S.").to_owned());
    assert_eq!(place.as_deref(), expect, "{method} {path}");
}

#[test]
fn literal_before_one_before_rest() {
    let table = routes(&[
        ("Rest", r#"get: "/k/**""#),
        ("One", r#"get: "/k/*""#),
        ("Lit", r#"get: "/k/a""#),
        ("Deep", r#"get: "/k/{x}/b""#),
        ("Root", r#"get: "/""#),
    ]);
    for (path, expect) in [
        ("/k/a", Some("Lit")),
        ("/k/z", Some("One")),
        ("/k/a/b", Some("Deep")),
        ("/k/a/c", Some("Rest")),
        ("/k/a/b/c", Some("Rest")),
        ("/k", Some("Rest")),
        ("/k/", Some("Rest")),
        ("/k//", Some("Rest")),
        ("/k/a/", Some("Lit")),
        ("/", Some("Root")),
        ("/K/a", None),
        ("//k/a", None),
        ("/q", None),
        ("*", None),
        ("", None),
    ] {
        check(&table, "GET", path, expect);
    }
}

#[test]
fn the_method_is_part_of_the_match() {
    let table = routes(&[
        ("Get", r#"get: "/v/fixed/{y}""#),
        ("Post", r#"post: "/v/{x}/items" body: "*""#),
        ("All", r#"custom { kind: "*" path: "/any/{x}" }"#),
        ("AllGet", r#"get: "/any/{x}""#),
        ("Options", r#"custom { kind: "OPTIONS" path: "/opt" }"#),
        ("Head", r#"custom { kind: "HEAD" path: "/opt" }"#),
    ]);
    check(&table, "GET", "/v/fixed/items", Some("Get"));
    // The GET template on the way does not hide this one.
    check(&table, "POST", "/v/fixed/items", Some("Post"));
    check(&table, "PUT", "/v/fixed/items", None);
    check(&table, "GET", "/any/1", Some("AllGet"));
    // What is bound to every method is bound to HEAD; GET's binding only stands in for one.
    check(&table, "HEAD", "/any/1", Some("All"));
    check(&table, "BREW", "/any/1", Some("All"));
    check(&table, "OPTIONS", "/opt", Some("Options"));
    check(&table, "HEAD", "/opt", Some("Head"));
    check(&table, "GET", "/opt", None);
    assert_eq!(table.allowed("/v/fixed/items"), ["GET", "HEAD", "POST"]);
    assert_eq!(table.allowed("/opt"), ["HEAD", "OPTIONS"]);
    assert!(table.allowed("/none").is_empty());
}

#[test]
fn verbs() {
    let table = routes(&[
        ("Get", r#"get: "/k/{x}""#),
        ("Run", r#"get: "/k/{x}:run""#),
        ("Scan", r#"get: "/{x=**}:scan""#),
        ("Stop", r#"get: "/q/{x}:stop""#),
    ]);
    for (path, expect) in [
        ("/k/a", Some("Get")),
        ("/k/a:run", Some("Run")),
        ("/k/a:scan", Some("Scan")),
        ("/k:scan", Some("Scan")),
        ("/a/b/c:scan", Some("Scan")),
        // A verb that is bound elsewhere only is text here, as is one that nobody has.
        ("/k/a:stop", Some("Get")),
        ("/k/a:other", Some("Get")),
        ("/q/a", None),
        ("/k:run/a", None),
        ("/k/a:", Some("Get")),
        // Slashes before a verb mean nothing, as at the end; before the last one there is no verb.
        ("/k/:scan", Some("Scan")),
        ("/k/:run", Some("Get")),
        ("/q/a:stop/", None),
        ("/k/a:run/", Some("Get")),
    ] {
        check(&table, "GET", path, expect);
    }
}

#[test]
fn literals_compare_decoded() {
    let table = routes(&[("Cafe", r#"get: "/caf%C3%A9/{x}""#), ("At", r#"get: "/a@b""#)]);
    check(&table, "GET", "/caf%c3%a9/1", Some("Cafe"));
    check(&table, "GET", "/%63af%C3%A9/1", Some("Cafe"));
    check(&table, "GET", "/a%40b", Some("At"));
    check(&table, "GET", "/a%2Fb", None);
}

#[test]
fn one_segment_is_not_an_empty_one() {
    let table = routes(&[("One", r#"get: "/k/{x}/n""#)]);
    check(&table, "GET", "/k//n", None);
    check(&table, "GET", "/k/v/n", Some("One"));
}
