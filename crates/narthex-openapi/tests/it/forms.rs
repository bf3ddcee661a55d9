//! Forms in the document.

use serde_json::json;

use crate::made::made;

#[test]
fn forms_are_described_as_they_are_read() {
    let source = r#"
        import "google/api/httpbody.proto"; import "google/protobuf/struct.proto";
        message Author {
            string name = 1 [(google.api.field_behavior) = REQUIRED];
            Author mentor = 2;
            bytes portrait = 3;
            map<string, string> notes = 4;
        }
        message Book {
            string id = 1;
            // On the front.
            bytes cover = 2;
            repeated bytes pages = 3;
            google.api.HttpBody file = 4;
            Author author = 5 [(google.api.field_behavior) = REQUIRED];
            google.protobuf.Value extra = 6;
            google.protobuf.ListValue notes = 7;
            repeated string tags = 8;
            string made_by = 9 [(google.api.field_behavior) = OUTPUT_ONLY];
        }
        message Change { Book book = 1; }
        message Labels { map<string, string> labels = 1; }
        service Made {
            rpc Put(Book) returns (Book) { option (google.api.http) = {put: "/v1/books/{id}" body: "*"}; }
            rpc Patch(Change) returns (Book) {
                option (google.api.http) = {patch: "/v1/books/{book.id}" body: "book"};
            }
            rpc Label(Labels) returns (Book) { option (google.api.http) = {post: "/v1/labels" body: "*"}; }
        }"#;
    let document = made(source);
    let schemas = &document["components"]["schemas"];
    let content =
        |path: &str, method: &str| document["paths"][path][method]["requestBody"]["content"].clone();
    let (form, parts) = ("application/x-www-form-urlencoded", "multipart/form-data");
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let put = content("/v1/books/{id}", "put");
    assert_eq!(put["application/json"]["schema"], reference("made.Made.Put.Body"));
    assert_eq!(put[form], json!({"schema": reference("made.Made.Put.Form")}));
    let json = json!({"contentType": "application/json"});
    let expected = json!({
        "schema": reference("made.Made.Put.Parts"), "encoding": {"extra": json, "notes": json},
    });
    assert_eq!(put[parts], expected);

    // Files are parts as they are, and what is JSON by default is a part of JSON.
    let bytes = json!({"contentMediaType": "application/octet-stream"});
    let expected = json!({
        "type": "object",
        "properties": {
            "cover": {"contentMediaType": "application/octet-stream", "description": "On the front."},
            "pages": {"type": "array", "items": bytes},
            "file": {"contentMediaType": "application/octet-stream", "description": "A file, with its media type."},
            "author": reference("made.Author"),
            "extra": {"description": "JSON."},
            "notes": {"description": "JSON."},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["author"],
    });
    assert_eq!(schemas["made.Made.Put.Parts"], expected);

    // Pairs of text have no members: those of a message are named by the way to them.
    let encoded = &schemas["made.Made.Put.Form"];
    let names: Vec<&String> = encoded["properties"].as_object().unwrap().keys().collect();
    let expected = [
        "cover",
        "pages",
        "extra",
        "tags",
        "file.contentType",
        "file.data",
        "author.name",
        "author.portrait",
    ];
    assert_eq!(names, expected);
    let base64 = json!({"type": "string", "contentEncoding": "base64"});
    assert_eq!(encoded["properties"]["author.portrait"], base64);
    assert_eq!(encoded["required"], json!(["author.name"]));

    let patch = content("/v1/books/{id}", "patch");
    assert_eq!(patch["application/json"]["schema"], reference("made.Book"));
    assert_eq!(patch[form]["schema"], reference("made.Made.Patch.Form"));
    assert_eq!(patch[parts]["schema"], reference("made.Made.Patch.Parts"));
    let names: Vec<&String> =
        schemas["made.Made.Patch.Parts"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names[..2], ["id", "cover"]);
    let label = content("/v1/labels", "post");
    assert_eq!(label.as_object().unwrap().keys().collect::<Vec<_>>(), ["application/json", parts]);
}
