//! Building pools, and what they know.

use narthex_protojson::{Pattern, Pool};
use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::support::{POOL, SET, compile};

fn problems(set: &[u8]) -> Vec<String> {
    let error = Pool::from_file_descriptor_set(set).unwrap_err();
    error.problems().iter().map(|problem| format!("{}: {}", problem.file, problem.message)).collect()
}

fn set() -> FileDescriptorSet {
    FileDescriptorSet::decode(&SET[..]).unwrap()
}

#[test]
fn an_empty_set_has_what_every_pool_has() {
    let pool = Pool::from_file_descriptor_set(b"").unwrap();
    for name in [
        "google.api.HttpRule",
        "google.api.HttpBody",
        "google.rpc.Status",
        "google.rpc.BadRequest",
        "google.protobuf.Any",
        "google.protobuf.Empty",
        "google.protobuf.FileDescriptorProto",
    ] {
        assert!(pool.message(name).is_some(), "{name}");
    }
    assert_eq!(pool.file("google/rpc/status.proto").unwrap().dependencies(), ["google/protobuf/any.proto"]);
}

#[test]
fn handles_can_be_printed() {
    let kinds = POOL.message("kinds.v1.Kinds").unwrap();
    let inner = kinds.field("inner").unwrap();
    assert_eq!(format!("{kinds:?} {inner:?}"), "Message(kinds.v1.Kinds) Field(kinds.v1.Kinds.inner)");
    assert!(format!("{:?} {:?}", *POOL, inner.kind()).contains("Pool("));
}

#[test]
fn files_may_come_in_any_order_and_twice() {
    let mut set = set();
    set.file.reverse();
    set.file.push(set.file[0].clone());
    let pool = Pool::from_file_descriptor_set(&set.encode_to_vec()).unwrap();
    assert!(pool.message("kinds.v1.Kinds").is_some());
}

#[test]
fn the_callers_own_file_wins() {
    let own = compile(&[(
        "google/rpc/status.proto",
        "syntax = \"proto3\"; package google.rpc; message Status { int32 mine = 9; }",
    )]);
    let pool = Pool::from_file_descriptor_set(&own).unwrap();
    assert!(pool.message("google.rpc.Status").unwrap().field("mine").is_some());
    // The same types under another name take the place of the built-in file.
    let own = compile(&[(
        "vendored/status.proto",
        "syntax = \"proto3\"; package google.rpc; message Status { int32 mine = 9; }",
    )]);
    let pool = Pool::from_file_descriptor_set(&own).unwrap();
    assert!(pool.message("google.rpc.Status").unwrap().field("mine").is_some());
    assert!(pool.file("google/rpc/status.proto").is_none());
}

#[test]
fn all_problems_are_said_with_their_file() {
    let error = Pool::from_file_descriptor_set(b"\xff").unwrap_err();
    assert!(error.to_string().starts_with("these bytes are no google.protobuf.FileDescriptorSet"), "{error}");

    let mut broken = set();
    broken.file.retain(|file| !file.name().starts_with("google/"));
    for file in &mut broken.file {
        file.dependency.push("gone.proto".to_owned());
    }
    let expect = "it imports \"gone.proto\", which is not in the descriptor set; write the set with its imports (protoc --include_imports)";
    assert_eq!(
        problems(&broken.encode_to_vec()),
        [format!("kinds.proto: {expect}"), format!("legacy.proto: {expect}")]
    );

    let mut clash = set();
    let mut other = clash.file.iter().find(|file| file.name() == "legacy.proto").unwrap().clone();
    other.name = Some("other.proto".to_owned());
    clash.file.push(other.clone());
    let [problem] = &problems(&clash.encode_to_vec())[..] else {
        panic!("{:?}", problems(&clash.encode_to_vec()))
    };
    assert!(problem.starts_with("other.proto: ") && problem.contains("legacy.v1."), "{problem}");

    other.name = Some("legacy.proto".to_owned());
    other.package = Some("other".to_owned());
    let mut twice = set();
    twice.file.push(other);
    assert!(
        problems(&twice.encode_to_vec())[0]
            .starts_with("legacy.proto: the descriptor set has two different files of this name")
    );

    let mut circle = set();
    for file in &mut circle.file {
        match file.name() {
            "kinds.proto" => file.dependency.push("legacy.proto".to_owned()),
            "legacy.proto" => file.dependency.push("kinds.proto".to_owned()),
            _ => {}
        }
    }
    assert_eq!(
        problems(&circle.encode_to_vec()),
        ["kinds.proto: it imports itself, directly or through others"]
    );
}

/// google/api/annotations.proto, as far as these tests need it.
const ANNOTATIONS: &str = "syntax = \"proto2\"; package google.api; import \"google/protobuf/descriptor.proto\";\
    message CustomHttpPattern { optional string kind = 1; optional string path = 2; }\
    message HttpRule { optional string get = 2; optional CustomHttpPattern custom = 8; optional string body = 7; optional string response_body = 12; repeated HttpRule additional_bindings = 11; }\
    extend google.protobuf.MethodOptions { optional HttpRule http = 72295728; }";

#[test]
fn malformed_annotations_are_said_with_their_file_and_method() {
    let rpc = |name, path| {
        format!("rpc {name}(M) returns (M) {{ option (google.api.http) = {{ get: \"{path}\" }}; }}")
    };
    let service = format!(
        "syntax = \"proto3\"; package s; import \"vendored.proto\"; message M {{}} service S {{ {} {} {} }}",
        rpc("Text", "/text"),
        rpc("Kind", "/kind"),
        rpc("Sound", "/sound"),
    );
    let nameless = format!(
        "syntax = \"proto3\"; import \"vendored.proto\"; import \"gone.proto\"; message M {{}} service S {{ {} }}",
        rpc("Cut", "/cut"),
    );
    let set = compile(&[
        ("vendored.proto", ANNOTATIONS),
        ("gone.proto", "syntax = \"proto3\";"),
        ("s.proto", &service),
        ("cut.proto", &nameless),
    ]);
    // Text that is no UTF-8, a number where text has to be, text that goes on behind the annotation's end.
    let set = replaced(&set, b"/text", b"/te\xfft");
    let set = replaced(&set, b"\x12\x05/kind", b"\x10\x05/kind");
    let set = replaced(&set, b"\x12\x04/cut", b"\x12\x05/cut");
    // What else is wrong with the file is said as well.
    let set = replaced(&set, b"\x1a\x0agone.proto", b"\x1a\x0alost.proto");
    let problems = problems(&set);
    let malformed = |file: &str, method: &str| {
        format!("{file}: the google.api.http annotation of {method} is malformed: ")
    };
    for (problem, start, why) in [
        (&problems[0], "cut.proto: it imports \"lost.proto\", ".to_owned(), "--include_imports"),
        (&problems[1], malformed("cut.proto", "S.Cut"), "buffer underflow"),
        (&problems[2], malformed("s.proto", "s.S.Text"), "not UTF-8"),
        (&problems[3], malformed("s.proto", "s.S.Kind"), "invalid wire type: Varint"),
    ] {
        assert!(problem.starts_with(&start) && problem.contains(why), "{problem}");
    }
    assert_eq!(problems.len(), 4);
}

/// `bytes` with the only place of `sound` in them `broken`.
fn replaced(bytes: &[u8], sound: &[u8], broken: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = bytes
        .windows(sound.len())
        .enumerate()
        .filter(|(_, found)| *found == sound)
        .map(|(at, _)| at)
        .collect();
    let [at] = places[..] else { panic!("{sound:?} is at {places:?}") };
    [&bytes[..at], broken, &bytes[at + sound.len()..]].concat()
}

#[test]
fn files_are_found_by_what_they_declare() {
    let name = |symbol: &str| POOL.file_by_symbol(symbol).map(|file| file.name().to_owned());
    for symbol in [
        "kinds.v1.Kinds",
        "kinds.v1.Colour",
        "kinds.v1.Kinds.i32",
        "kinds.v1.Kinds.choice",
        "kinds.v1.COLOUR_RED",
    ] {
        assert_eq!(name(symbol).as_deref(), Some("kinds.proto"), "{symbol}");
    }
    assert_eq!(name("legacy.v1.nickname").as_deref(), Some("legacy.proto"));
    for symbol in ["", "kinds.v1", "kinds.v1.Nope", "kinds.v1.Kinds.nope", "COLOUR_RED"] {
        assert_eq!(name(symbol), None, "{symbol}");
    }
    assert_eq!(POOL.file_by_extension("legacy.v1.Old", 100).unwrap().name(), "legacy.proto");
    assert!(POOL.file_by_extension("legacy.v1.Old", 101).is_none());
    assert_eq!(POOL.extension_numbers("legacy.v1.Old").unwrap(), [100]);
    assert_eq!(POOL.extension_numbers("no.Such"), None);
    let file = POOL.file("kinds.proto").unwrap();
    assert_eq!(
        prost_types::FileDescriptorProto::decode(file.bytes().clone()).unwrap().message_type[0].name(),
        "Kinds"
    );
}

#[test]
fn services_have_methods_with_their_rules() {
    let service = "syntax = \"proto3\"; package s; import \"vendored.proto\"; message M {}\
        service S { rpc Plain(M) returns (stream M); rpc Bound(M) returns (M) { option (google.api.http) = {\
        get: \"/a\" response_body: \"x\" additional_bindings { custom { kind: \"*\" path: \"/b\" } body: \"*\" } }; } }";
    let set = compile(&[("vendored.proto", ANNOTATIONS), ("s.proto", service)]);
    let pool = Pool::from_file_descriptor_set(&set).unwrap();
    let service = pool.service("s.S").unwrap();
    assert_eq!((service.full_name(), service.file_name().as_str()), ("s.S", "s.proto"));
    let [plain, bound] = &service.methods().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(
        (plain.path().as_str(), plain.is_server_streaming(), plain.http_rule()),
        ("/s.S/Plain", true, None)
    );
    let rule = bound.http_rule().unwrap();
    assert_eq!(
        (rule.pattern.clone().unwrap(), rule.response_body.as_str()),
        (Pattern::Get("/a".into()), "x")
    );
    let second = &rule.additional_bindings[0];
    let pattern = second.pattern.as_ref().unwrap();
    assert_eq!((pattern.method(), pattern.template(), second.body.as_str()), ("*", "/b", "*"));
    assert_eq!(pool.services().map(|service| service.full_name().to_owned()).collect::<Vec<_>>(), ["s.S"]);
}
