//! What the document says of a service that has some of everything.

use std::path::Path;

use narthex_openapi::{Base, document};
use narthex_protojson::{Pool, WriteOptions};
use narthex_transcode::{Options, RouteTable};
use serde_json::{Value, json};

use crate::made::{made, parameters};

/// The service, with its comments, or without as generated Python code has it.
fn pool(comments: bool) -> Pool {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../narthex-protojson/proto");
    let mut compiler = protox::Compiler::new([tests, builtin]).unwrap();
    compiler.include_source_info(comments).include_imports(true);
    compiler.open_file("shelf.proto").unwrap();
    Pool::from_file_descriptor_set(&compiler.encode_file_descriptor_set()).unwrap()
}

fn described(options: &Options, own_paths: bool, base: &str) -> Value {
    let pool = pool(true);
    let table = RouteTable::build(&pool, &["shelf.v1.Shelves".to_owned()]).unwrap();
    let base = Base::parse(base).unwrap();
    serde_json::from_str(&document(&pool, &table, options, own_paths, &base)).unwrap()
}

fn usual() -> Value {
    described(&Options::default(), false, "{}")
}

#[test]
fn templates_of_several_segments_are_written_out() {
    let document = usual();
    let get = &document["paths"]["/v1/shelves/{shelf}/books/{book}"]["get"];
    assert_eq!(get["operationId"], "Shelves_Get");
    assert_eq!(get["summary"], "Gets a book.");
    assert_eq!(get["description"], "By its name.");
    let expected = [("path", "shelf"), ("path", "book"), ("query", "page.size"), ("query", "binding")];
    assert_eq!(parameters(get), expected);
    assert_eq!(document["paths"]["/"]["get"]["operationId"], "Shelves_Root");
    let watch = &document["paths"]["/v1/watch/{name}"]["get"]["parameters"][0];
    assert!(watch["description"].as_str().unwrap().contains("several segments"));
}

#[test]
fn paths_of_one_shape_are_one_item_with_the_names_of_the_first() {
    let document = usual();
    let item = &document["paths"]["/v1/books/{name}"];
    assert_eq!(item["get"]["operationId"], "Shelves_Get_2");
    assert_eq!(parameters(&item["patch"]), [("path", "name"), ("query", "name"), ("query", "force")]);
}

#[test]
fn methods_that_openapi_does_not_know_are_where_a_later_version_has_them() {
    let item = &usual()["paths"]["/v1/books/{name}"];
    assert_eq!(item["description"], "Also LOCK /v1/books/{name}, which is shelf.v1.Shelves.Lock.");
    let lock = &item["x-oai-additionalOperations"]["LOCK"];
    assert_eq!((&lock["operationId"], &lock["deprecated"]), (&json!("Shelves_Lock"), &json!(true)));
    assert_eq!(parameters(lock), [("path", "name"), ("query", "to")]);
}

#[test]
fn a_body_has_what_the_path_leaves() {
    let document = usual();
    let post = &document["paths"]["/v1/moves/{name}:move"]["post"];
    let content = &post["requestBody"]["content"];
    let body = json!({"$ref": "#/components/schemas/shelf.v1.Shelves.Move.Body"});
    for form in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(content[form]["schema"], body, "{form}");
    }
    let body = &document["components"]["schemas"]["shelf.v1.Shelves.Move.Body"];
    assert_eq!(*body, json!({"type": "object", "properties": {"to": {"type": "string"}}}));
    let answer = &document["paths"]["/v1/moves/{name}:move"]["post"]["responses"]["200"]["content"];
    assert!(answer["application/json"].is_object());
    let file = &document["paths"]["/v1/files/{id}"]["put"];
    assert_eq!(file["requestBody"]["content"], json!({"*/*": {}}));
    assert_eq!(file["responses"]["200"]["content"], json!({"*/*": {}}));
}

#[test]
fn streams_are_described_by_media_type() {
    let document = usual();
    let content = &document["paths"]["/v1/watch/{name}"]["get"]["responses"]["200"]["content"];
    let book = json!({"$ref": "#/components/schemas/shelf.v1.Book"});
    assert_eq!(content["application/json"]["schema"], json!({"type": "array", "items": book}));
    for text in ["application/x-ndjson", "application/json-seq", "text/event-stream"] {
        assert_eq!(content[text]["schema"]["contentSchema"], book, "{text}");
    }
    assert_eq!(content["application/x-ndjson"]["x-oai-itemSchema"], book);
    assert_eq!(content["application/json-seq"]["x-oai-itemSchema"], book);
    let event = &content["text/event-stream"]["x-oai-itemSchema"];
    assert_eq!(event["properties"]["data"]["contentSchema"], book);
    let sent = &document["paths"]["/v1/books"]["post"]["requestBody"]["content"];
    assert_eq!(sent["application/json"]["schema"]["items"], book);
    assert_eq!(sent["multipart/form-data"]["schema"]["additionalProperties"], book);
    assert!(sent["multipart/mixed"].is_object());
}

#[test]
fn schemas_are_those_of_protojson() {
    let document = usual();
    let schemas = &document["components"]["schemas"];
    let book = &schemas["shelf.v1.Book"];
    assert_eq!(book["required"], json!(["title"]));
    assert_eq!(book["description"], "A book.\n\nAt most one of person, library is set.");
    assert_eq!(book["not"], json!({"required": ["person", "library"]}));
    let names: Vec<&String> = book["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names[..4], ["name", "title", "binding", "copies"], "in the order of the file");
    let of = |name: &str| &book["properties"][name];
    assert_eq!(*of("name"), json!({"type": "string", "description": "Its resource name.", "readOnly": true}));
    assert_eq!(of("copies")["type"], "string");
    assert_eq!(of("pages")["maximum"], u32::MAX);
    assert_eq!(of("cover")["contentEncoding"], "base64");
    assert_eq!(*of("printedAt"), json!({"type": "string", "format": "date-time"}));
    assert_eq!(of("price")["type"], json!(["string", "null"]));
    let itself = json!({"$ref": "#/components/schemas/shelf.v1.Book"});
    assert_eq!(*of("translations"), json!({"type": "object", "additionalProperties": itself}));
    assert_eq!(of("isbn")["deprecated"], true);
    let binding = &schemas["shelf.v1.Binding"];
    assert_eq!(binding["enum"], json!(["BINDING_UNSPECIFIED", "PAPERBACK"]));
    assert_eq!(binding["description"], "How a book is bound.\n\n- PAPERBACK (1): Cheap.");
    assert!(schemas["google.rpc.Status"]["properties"]["details"].is_object());
}

#[test]
fn names_and_enums_are_written_as_the_options_say() {
    let write = WriteOptions { proto_names: true, enums_as_ints: true, ..WriteOptions::default() };
    let document = described(&Options { write, ..Options::default() }, false, "{}");
    let schemas = &document["components"]["schemas"];
    assert!(schemas["shelf.v1.Book"]["properties"]["printed_at"].is_object());
    let binding = &schemas["shelf.v1.Binding"];
    assert_eq!(binding["enum"], json!([0, 1]));
    let meaning = "How a book is bound.\n\n- BINDING_UNSPECIFIED (0)\n- PAPERBACK (1): Cheap.";
    assert_eq!(binding["description"], meaning);
}

#[test]
fn own_paths_are_described_where_they_are_asked_for() {
    assert!(usual()["paths"].get("/shelf.v1.Shelves/Get").is_none());
    let document = described(&Options::default(), true, "{}");
    assert!(document["paths"]["/shelf.v1.Shelves/Get"]["post"].is_object());
}

#[test]
fn the_base_has_its_say() {
    let base = "
info: {title: Shelves, version: '3'}
servers: [{url: https://example.org}]
security: [{key: []}]
components: {securitySchemes: {key: {type: http, scheme: bearer}}}
tags: [{name: shelf.v1.Shelves, description: Ours.}]";
    let document = described(&Options::default(), false, base);
    assert_eq!(document["info"], json!({"title": "Shelves", "version": "3"}));
    assert_eq!(document["security"], json!([{"key": []}]));
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
    assert!(document["components"]["schemas"].is_object());
    assert_eq!(document["tags"], json!([{"name": "shelf.v1.Shelves", "description": "Ours."}]));
}

#[test]
fn descriptors_without_comments_give_the_same_shapes() {
    let pool = pool(false);
    let table = RouteTable::build(&pool, &["shelf.v1.Shelves".to_owned()]).unwrap();
    let text = document(&pool, &table, &Options::default(), false, &Base::default());
    let document: Value = serde_json::from_str(&text).unwrap();
    let book = &document["components"]["schemas"]["shelf.v1.Book"];
    assert_eq!(book["properties"]["name"], json!({"type": "string", "readOnly": true}));
    assert_eq!(document["info"]["title"], "JSON API");
}

#[test]
fn what_may_be_in_a_query_is_told_within_bounds() {
    let message = |name: &str, of: &str| {
        let fields: Vec<String> = (1..=60).map(|number| format!("{of} f{number} = {number};")).collect();
        format!("message {name} {{ {} }}\n", fields.concat())
    };
    let messages = [("A", "B"), ("B", "C"), ("C", "D"), ("D", "string")].map(|(name, of)| message(name, of));
    let method = r#"service Made { rpc Get(A) returns (A) { option (google.api.http) = {get: "/v1/it"}; } }"#;
    let document = made(&(messages.concat() + method));
    let get = &document["paths"]["/v1/it"]["get"];
    let listed = get["parameters"].as_array().unwrap().len();
    assert!((100..=500).contains(&listed), "{listed}");
    assert!(get["description"].as_str().unwrap().contains("More fields"), "{}", get["description"]);
}

#[test]
fn what_a_query_may_set_deeper_is_told_of() {
    let described = |deepest: &str| {
        let document = made(&format!(
            r#"
            message A {{ B b = 1; }} message B {{ C c = 1; }} message C {{ D d = 1; }}
            message D {{ E e = 1; string s = 2; }} message E {{ {deepest} }}
            service Made {{ rpc Get(A) returns (A) {{ option (google.api.http) = {{get: "/v1/it"}}; }} }}"#
        ));
        let get = &document["paths"]["/v1/it"]["get"];
        assert_eq!(parameters(get), [("query", "b.c.d.s")]);
        get.get("description").cloned()
    };
    let more = "More fields of the request may be given as query parameters than are listed here.";
    assert_eq!(described("string t = 1;"), Some(json!(more)));
    assert_eq!(described(""), None, "there is nothing deeper");
}

#[test]
fn no_two_parameters_of_a_path_have_one_name() {
    let source = r#"
        message Name { string name = 1; string shelf = 2; }
        service Made {
            rpc Get(Name) returns (Name) {
                option (google.api.http) = {get: "/v1/{name=shelves/*}/books/{shelf}"};
            }
        }"#;
    let document = made(source);
    let get = &document["paths"]["/v1/shelves/{shelf2}/books/{shelf}"]["get"];
    assert_eq!(parameters(get), [("path", "shelf2"), ("path", "shelf")]);
}

#[test]
fn segments_are_named_as_the_resource_has_them() {
    let source = r#"
        message Volume {
            option (google.api.resource) = {
                type: "made.example/Volume"
                pattern: "libraries/{branch}/books/{volume}"
            };
            string name = 1;
        }
        message List { string parent = 1; }
        service Made {
            rpc Get(Volume) returns (Volume) {
                option (google.api.http) = {get: "/v1/{name=libraries/*/books/*}"};
            }
            rpc All(List) returns (Volume) {
                option (google.api.http) = {get: "/v1/{parent=libraries/*}/books"};
            }
            rpc Other(List) returns (Volume) {
                option (google.api.http) = {get: "/v1/{parent=towns/*}/books"};
            }
        }"#;
    let document = made(source);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let expected =
        ["/v1/libraries/{branch}/books/{volume}", "/v1/libraries/{branch}/books", "/v1/towns/{town}/books"];
    assert_eq!(paths, expected);
}

#[test]
fn what_only_answers_have_is_no_parameter() {
    let source = r#"
        message Thing {
            string id = 1;
            string made_by = 2 [(google.api.field_behavior) = OUTPUT_ONLY];
            string secret = 3 [(google.api.field_behavior) = INPUT_ONLY, deprecated = true];
            string kind = 4 [(google.api.field_behavior) = IMMUTABLE];
        }
        service Made {
            option deprecated = true;
            rpc Get(Thing) returns (Thing) { option (google.api.http) = {get: "/v1/things/{id}"}; }
        }"#;
    let document = made(source);
    let get = &document["paths"]["/v1/things/{id}"]["get"];
    assert_eq!(get["deprecated"], true);
    assert_eq!(parameters(get), [("path", "id"), ("query", "secret"), ("query", "kind")]);
    let secret = json!({"name": "secret", "in": "query", "deprecated": true, "schema": {"type": "string"}});
    assert_eq!(get["parameters"][1], secret);
    let properties = &document["components"]["schemas"]["made.Thing"]["properties"];
    assert_eq!(properties["madeBy"], json!({"type": "string", "readOnly": true}));
    assert_eq!(properties["secret"], json!({"type": "string", "writeOnly": true, "deprecated": true}));
    assert_eq!(properties["kind"]["description"], "Once it is set, it cannot be changed.");
}

#[test]
fn a_body_has_the_comment_of_its_field_and_a_name_for_what_the_path_leaves() {
    let source = r#"
        message Thing { string id = 1; string kind = 2; string made_by = 3 [(google.api.field_behavior) = OUTPUT_ONLY]; }
        message Update {
            // What it is to be.
            Thing thing = 1;
        }
        service Made {
            rpc Put(Thing) returns (Thing) {
                option (google.api.http) = {
                    put: "/v1/things/{id}" body: "*"
                    additional_bindings { put: "/v1/kinds/{kind}" body: "*" }
                    additional_bindings { put: "/v2/things/{id}" body: "*" }
                };
            }
            rpc Change(Update) returns (Thing) {
                option (google.api.http) = {patch: "/v1/things/{thing.id}" body: "thing"};
            }
        }"#;
    let document = made(source);
    let body = |path: &str, method: &str| {
        let body = &document["paths"][path][method]["requestBody"];
        let schema = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
        (body["description"].as_str(), schema.rsplit('/').next().unwrap())
    };
    assert_eq!(body("/v1/things/{id}", "put"), (None, "made.Made.Put.Body"));
    assert_eq!(body("/v1/kinds/{kind}", "put"), (None, "made.Made.Put.Body2"));
    assert_eq!(body("/v2/things/{id}", "put"), (None, "made.Made.Put.Body"));
    assert_eq!(body("/v1/things/{id}", "patch"), (Some("What it is to be."), "made.Thing"));
    let properties = |name: &str| {
        let properties = document["components"]["schemas"][name]["properties"].as_object().unwrap();
        properties.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(properties("made.Made.Put.Body"), ["kind"]);
    assert_eq!(properties("made.Made.Put.Body2"), ["id"]);
}

#[test]
fn no_message_has_two_fields_of_a_oneof() {
    let many: Vec<String> = (1..=9).map(|number| format!("string m{number} = {number};")).collect();
    let source = format!(
        r#"
        message Thing {{
            oneof first {{ string a = 1; string b = 2; string c = 3; }}
            oneof second {{ string d = 4; string e = 5; }}
            optional string f = 6;
        }}
        message Large {{ oneof many {{ {} }} }}
        service Made {{
            rpc Get(Large) returns (Thing) {{ option (google.api.http) = {{post: "/v1/it" body: "*"}}; }}
        }}"#,
        many.concat()
    );
    let document = made(&source);
    let schemas = &document["components"]["schemas"];
    let pairs = [["a", "b"], ["a", "c"], ["b", "c"], ["d", "e"]].map(|pair| json!({"required": pair}));
    assert_eq!(schemas["made.Thing"]["not"], json!({"anyOf": pairs}));
    // That would be as much as the square of it.
    assert!(schemas["made.Large"].get("not").is_none());
    assert!(schemas["made.Large"]["description"].as_str().unwrap().starts_with("At most one of m1, m2"));
}

#[test]
fn each_binding_has_an_id_of_its_own() {
    let source = r#"
        message M {}
        service Made {
            rpc Get(M) returns (M) {
                option (google.api.http) = {get: "/a" additional_bindings {get: "/b"} additional_bindings {get: "/c"}};
            }
        }"#;
    let document = made(source);
    let id = |path: &str| document["paths"][path]["get"]["operationId"].as_str().unwrap().to_owned();
    assert_eq!(["/a", "/b", "/c"].map(id), ["Made_Get", "Made_Get_2", "Made_Get_3"]);
}

#[test]
fn an_operation_is_that_of_the_route_that_a_request_goes_to_first() {
    let method = |name: &str, rule: &str| {
        format!("rpc {name}(M) returns (M) {{ option (google.api.http) = {{{rule}}}; }}")
    };
    let methods = [
        ("Any", r#"custom {kind: "*" path: "/v1/it"}"#),
        ("Get", r#"get: "/v1/it""#),
        ("Rest", r#"get: "/v1/{a=**}""#),
        ("One", r#"get: "/v1/{b}""#),
        ("RestGet", r#"get: "/v2/{a=**}""#),
        ("AnyOne", r#"custom {kind: "*" path: "/v2/{b}"}"#),
    ];
    let methods = methods.map(|(name, rule)| method(name, rule)).concat();
    let document = made(&format!("message M {{ string a = 1; string b = 2; }} service Made {{ {methods} }}"));
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/v1/it", "/v1/{a}", "/v2/{a}"]);
    let id = |path: &str, method: &str| paths[path][method]["operationId"].as_str().unwrap().to_owned();
    assert_eq!([id("/v1/it", "get"), id("/v1/it", "put")], ["Made_Get", "Made_Any"]);
    assert_eq!(paths["/v1/it"].get("description"), None);
    assert_eq!(id("/v1/{a}", "get"), "Made_One");
    assert_eq!(paths["/v1/{a}"]["description"], "Also GET /v1/{a=**}, which is made.Made.Rest.");
    // Which segments it has comes before which method.
    assert_eq!([id("/v2/{a}", "get"), id("/v2/{a}", "put")], ["Made_AnyOne", "Made_AnyOne_2"]);
    assert_eq!(paths["/v2/{a}"]["description"], "Also GET /v2/{a=**}, which is made.Made.RestGet.");
}
