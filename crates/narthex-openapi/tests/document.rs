//! What the document says of a service that has some of everything.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use narthex_openapi::{Base, document};
use narthex_protojson::{Pool, WriteOptions};
use narthex_transcode::{Options, RouteTable};
use serde_json::{Value, json};

/// The service, with its comments, or without as generated Python code has it.
fn pool(comments: bool) -> Pool {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
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

fn parameters(operation: &Value) -> Vec<(&str, &str)> {
    let all = operation["parameters"].as_array().unwrap().iter();
    all.map(|one| (one["in"].as_str().unwrap(), one["name"].as_str().unwrap())).collect()
}

#[test]
fn templates_of_several_segments_are_written_out() {
    let document = usual();
    let get = &document["paths"]["/v1/shelves/{shelves}/books/{books}"]["get"];
    assert_eq!(get["operationId"], "Shelves_Get");
    assert_eq!(get["summary"], "Gets a book.");
    assert_eq!(get["description"], "By its name.");
    let expected = [("path", "shelves"), ("path", "books"), ("query", "page.size"), ("query", "binding")];
    assert_eq!(parameters(get), expected);
    assert_eq!(document["paths"]["/"]["get"]["operationId"], "Shelves_Root");
    let watch = &document["paths"]["/v1/watch/{name}"]["get"]["parameters"][0];
    assert!(watch["description"].as_str().unwrap().contains("several segments"));
}

#[test]
fn paths_of_one_shape_are_one_item_with_the_names_of_the_first() {
    let document = usual();
    let item = &document["paths"]["/v1/books/{name}"];
    assert_eq!(item["get"]["operationId"], "shelf_v1_Shelves_Get_2");
    assert_eq!(parameters(&item["patch"]), [("path", "name"), ("query", "name"), ("query", "force")]);
    assert_eq!(item["description"], "Also LOCK /v1/books/{name}, which is shelf.v1.Shelves.Lock.");
}

#[test]
fn a_body_has_what_the_path_leaves() {
    let document = usual();
    let post = &document["paths"]["/v1/moves/{name}:move"]["post"];
    let body = &post["requestBody"]["content"]["application/json"]["schema"];
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
    let sent = &document["paths"]["/v1/books"]["post"]["requestBody"]["content"];
    assert_eq!(sent["application/json"]["schema"]["items"], book);
}

#[test]
fn schemas_are_those_of_protojson() {
    let document = usual();
    let schemas = &document["components"]["schemas"];
    let book = &schemas["shelf.v1.Book"];
    assert_eq!(book["required"], json!(["title"]));
    assert_eq!(book["description"], "A book.\n\nAt most one of person, library is set.");
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
    assert_eq!(schemas["shelf.v1.Binding"]["enum"], json!([0, 1]));
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

/// A file with this source, which imports only what every pool has.
struct Source(String);

impl protox::file::FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        if name != "made.proto" {
            return Err(protox::Error::file_not_found(name));
        }
        protox::file::File::from_source(name, &self.0)
    }
}

/// The operations of service `made.Made`, whose rest is `source`.
fn made(source: &str) -> Value {
    let head = r#"syntax = "proto3"; package made; import "google/api/annotations.proto";"#;
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../narthex-protojson/proto");
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(Source(format!("{head}\n{source}")));
    resolver.add(protox::file::IncludeFileResolver::new(builtin));
    resolver.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("made.proto").unwrap();
    let pool = Pool::from_file_descriptor_set(&compiler.encode_file_descriptor_set()).unwrap();
    let table = RouteTable::build(&pool, &["made.Made".to_owned()]).unwrap();
    let text = document(&pool, &table, &Options::default(), false, &Base::default());
    serde_json::from_str::<Value>(&text).unwrap()["paths"].take()
}

#[test]
fn what_may_be_in_a_query_is_told_within_bounds() {
    let message = |name: &str, of: &str| {
        let fields: Vec<String> = (1..=60).map(|number| format!("{of} f{number} = {number};")).collect();
        format!("message {name} {{ {} }}\n", fields.concat())
    };
    let messages = [("A", "B"), ("B", "C"), ("C", "D"), ("D", "string")].map(|(name, of)| message(name, of));
    let method = r#"service Made { rpc Get(A) returns (A) { option (google.api.http) = {get: "/v1/it"}; } }"#;
    let paths = made(&(messages.concat() + method));
    let get = &paths["/v1/it"]["get"];
    let listed = get["parameters"].as_array().unwrap().len();
    assert!((100..=500).contains(&listed), "{listed}");
    assert!(get["description"].as_str().unwrap().contains("More fields"), "{}", get["description"]);
}

#[test]
fn no_two_parameters_of_a_path_have_one_name() {
    let source = r#"
        message Name { string name = 1; string shelves = 2; }
        service Made {
            rpc Get(Name) returns (Name) {
                option (google.api.http) = {get: "/v1/{name=shelves/*}/books/{shelves}"};
            }
        }"#;
    let paths = made(source);
    let get = &paths["/v1/shelves/{shelves2}/books/{shelves}"]["get"];
    assert_eq!(parameters(get), [("path", "shelves2"), ("path", "shelves")]);
}
