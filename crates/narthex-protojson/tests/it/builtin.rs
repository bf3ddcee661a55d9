//! The built-in descriptor set is what `proto/` says.

use std::path::Path;

use prost::Message as _;

/// Set `NARTHEX_BLESS=1` to write the file anew after a change in `proto/`.
#[test]
fn builtin_set_is_compiled_from_proto() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        "google/api/annotations.proto",
        "google/api/field_behavior.proto",
        "google/api/httpbody.proto",
        "google/rpc/code.proto",
        "google/rpc/error_details.proto",
        "google/rpc/status.proto",
        "google/protobuf/api.proto",
        "google/protobuf/empty.proto",
        "google/protobuf/field_mask.proto",
        "google/protobuf/struct.proto",
        "google/protobuf/timestamp.proto",
        "google/protobuf/type.proto",
        "google/protobuf/wrappers.proto",
    ];
    let compiled = protox::Compiler::new([root.join("proto")])
        .and_then(|mut compiler| {
            compiler.include_imports(true).include_source_info(false).open_files(files)?;
            Ok(compiler.encode_file_descriptor_set())
        })
        .unwrap();
    let path = root.join("src/builtin.binpb");
    if std::env::var_os("NARTHEX_BLESS").is_some() {
        std::fs::write(&path, &compiled).unwrap();
    }
    let names = |bytes: &[u8]| {
        let set = prost_types::FileDescriptorSet::decode(bytes).unwrap();
        set.file.iter().map(|file| file.name().to_owned()).collect::<Vec<_>>()
    };
    let committed = std::fs::read(&path).unwrap();
    assert_eq!(names(&committed), names(&compiled));
    assert!(committed == compiled, "src/builtin.binpb is stale: run this test with NARTHEX_BLESS=1");
}
