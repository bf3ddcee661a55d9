//! What is wrong with annotations is said at once, and where.

use http::Method;
use narthex_transcode::{HttpRule, Pattern, RouteTable, Rules};
use narthex_wire::{Exposed, Selector};

use crate::support::{POOL, compile, table};

fn problems(methods: &str) -> Vec<String> {
    let source = format!(
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\";\n\
         message M {{ string x = 1; repeated string many = 2; M sub = 3; map<string, string> map = 4; }}\n\
         service S {{ {methods} }}"
    );
    let error = table(&compile("t.proto", &source), &["t.S"]).unwrap_err();
    assert!(error.problems().iter().all(|problem| !problem.hint.is_empty()));
    error.problems().iter().map(|problem| format!("{}: {}", problem.place, problem.message)).collect()
}

fn rpc(name: &str, rule: &str) -> String {
    format!("rpc {name}(M) returns (M) {{ option (google.api.http) = {{ {rule} }}; }}\n")
}

#[test]
fn a_method_that_is_not_exposed_has_no_routes() {
    let exposed = Exposed::from_iter([Selector::parse("shop.v1.ShopService/GetBook").unwrap()]);
    let rules = Rules { exposed, ..Rules::default() };
    let table = RouteTable::with_rules(&POOL, &["shop.v1.ShopService".to_owned()], &rules).unwrap();
    let target = "/shop.v1.ShopService/GetBook";
    assert!(!table.routes().is_empty() && table.routes().iter().all(|route| route.target() == target));
}

#[test]
fn every_problem_is_reported() {
    let methods = [
        rpc("Bad", r#"get: "/a/{x" additional_bindings { get: "/b//" }"#),
        rpc("Nobody", r#"get: "/c/{nope}/{sub.nope}""#),
        rpc("Shape", r#"get: "/d/{many}/{map}/{sub}/{many.x}""#),
        rpc("Body", r#"post: "/e" body: "nope" response_body: "sub.x""#),
        rpc("Empty", r#"body: "*""#),
        rpc("Method", r#"custom { kind: "NO WAY" path: "/f" }"#),
    ]
    .concat();
    assert_eq!(
        problems(&methods),
        [
            "t.S.Bad: the template \"/a/{x\" does not parse: column 6: expected \"}\" to end the variable",
            "t.S.Bad, binding 2: the template \"/b//\" does not parse: column 4: expected a segment: text, \"*\", \"**\" or a variable in braces",
            "t.S.Nobody: the path variable {nope} names no field: t.M has no field \"nope\"",
            "t.S.Nobody: the path variable {sub.nope} names no field: t.M has no field \"nope\"",
            "t.S.Shape: the path variable {many} is repeated",
            "t.S.Shape: the path variable {map} is repeated",
            "t.S.Shape: the path variable {sub} is a message",
            "t.S.Shape: the path variable {many.x} names no field: \"many\" is a list or a map, so no field of it can be named",
            "t.S.Body: body \"nope\" names no field of t.M",
            "t.S.Body: response_body \"sub.x\" names no field of t.M",
            "t.S.Empty: the rule has no HTTP method and path",
            "t.S.Method: \"NO WAY\" is no HTTP method",
        ]
    );
}

#[test]
fn bindings_that_match_the_same_requests_collide() {
    let methods = [
        rpc("A", r#"get: "/k/{x}" additional_bindings { get: "/K" }"#),
        rpc("B", r#"post: "/k/{x}""#),
        rpc("C", r#"get: "/%6B/{sub.x}""#),
        rpc("D", r#"get: "/k/{x}:go""#),
        rpc("E", r#"get: "/k/{x=**}""#),
        rpc("F", r#"get: "/l" additional_bindings { get: "/k/*" }"#),
        rpc("G", r#"get: "/l/{nope}" additional_bindings { get: "/l" }"#)
            .replace("returns (", "returns (stream "),
    ]
    .concat();
    assert_eq!(
        problems(&methods),
        [
            "t.S.C: GET /%6B/{sub.x} is bound already by t.S.A",
            "t.S.F, binding 2: GET /k/* is bound already by t.S.A",
            "t.S.G: the path variable {nope} names no field: t.M has no field \"nope\"",
            "t.S.G, binding 2: GET /l is bound already by t.S.F",
        ]
    );
}

#[test]
fn what_is_not_served_as_json_is_noted() {
    let table = table(&POOL, &["shop.v1.ShopService", "shop.v1.Nameless"]).unwrap();
    let [nameless] = table.notes() else { panic!("{:?}", table.notes()) };
    assert!(nameless.starts_with("shop.v1.Nameless has no descriptor"), "{nameless}");
    assert_eq!(table.routes()[1].place(), "shop.v1.ShopService.GetBook, binding 2");
}

#[test]
fn configured_rules_stand_in_for_annotations() {
    let rule = |path: &str| HttpRule { pattern: Some(Pattern::Get(path.to_owned())), ..HttpRule::default() };
    let rules = Rules {
        auto_mapping: false,
        configured: vec![
            ("shop.v1.ShopService.GetBook".to_owned(), rule("/never/{id}")),
            ("shop.v1.ShopService.GetBook".to_owned(), rule("/v2/books/{id}")),
            ("shop.v1.ShopService.NoBinding".to_owned(), rule("/v2/none/{name}")),
        ],
        ..Rules::default()
    };
    let services = ["shop.v1.ShopService".to_owned()];
    let table = RouteTable::with_rules(&POOL, &services, &rules).unwrap();
    let target = |path| table.find(&Method::GET, path).map(|found| found.route.target().path().to_owned());
    assert_eq!(target("/v2/books/1").as_deref(), Some("/shop.v1.ShopService/GetBook"));
    assert_eq!(target("/v2/none/1").as_deref(), Some("/shop.v1.ShopService/NoBinding"));
    assert_eq!(target("/api/books/1"), None);
    assert_eq!(target("/never/1"), None);
    assert!(table.find(&Method::POST, "/shop.v1.ShopService/NoBinding").is_none());

    let rules = Rules { configured: vec![("shop.v1.ShopService.GetBok".to_owned(), rule("/x"))], ..rules };
    let error = RouteTable::with_rules(&POOL, &services, &rules).unwrap_err();
    assert_eq!(error.problems().len(), 1);
    assert!(error.to_string().starts_with("shop.v1.ShopService.GetBok: the rule selects no method; "));
}
