use narthex_http_over_grpc::{DESCRIPTOR_SET, METHOD_PATH, SERVICE};
use prost::Message as _;
use prost_types::FileDescriptorSet;

#[test]
fn the_descriptor_set_is_whole_and_names_the_method() {
    let set = FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap();
    let names: Vec<_> = set.file.iter().map(prost_types::FileDescriptorProto::name).collect();
    for name in [
        "google/protobuf/any.proto",
        "google/protobuf/descriptor.proto",
        "google/api/http.proto",
        "google/api/annotations.proto",
        "google/api/httpbody.proto",
        "narthex/asgi/v1/asgi.proto",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    // Each file comes after what it imports, as Envoy and descriptor pools need it.
    for (index, file) in set.file.iter().enumerate() {
        for import in &file.dependency {
            assert!(names[..index].contains(&import.as_str()), "{} before {import}", file.name());
        }
    }
    let file = set.file.last().unwrap();
    let method = &file.service[0].method[0];
    assert_eq!(format!("{}.{}", file.package(), file.service[0].name()), SERVICE);
    assert_eq!(format!("/{SERVICE}/{}", method.name()), METHOD_PATH);
    assert_eq!((method.input_type(), method.output_type()), (".google.api.HttpBody", ".google.api.HttpBody"));
}

#[test]
fn the_binding_is_in_it() {
    // prost-types drops extensions, so this looks for HttpRule's bytes: custom (8) {kind "*" path "/**"}.
    let rule = b"\x42\x08\x0a\x01*\x12\x03/**";
    assert!(DESCRIPTOR_SET.windows(rule.len()).any(|window| window == rule));
}
