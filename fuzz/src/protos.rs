//! The protos that the targets read and write: those of the tests of narthex-protojson and narthex-transcode.

use std::path::Path;
use std::sync::LazyLock;

use narthex_protojson::{Message, Pool};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};

const FILES: [(&str, &str); 3] = [
    ("kinds.proto", include_str!("../../crates/narthex-protojson/tests/it/kinds.proto")),
    ("legacy.proto", include_str!("../../crates/narthex-protojson/tests/it/legacy.proto")),
    ("shop.proto", include_str!("../../crates/narthex-transcode/tests/it/shop.proto")),
];

struct Files;

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let found = FILES.iter().find(|(other, _)| *other == name);
        let (name, text) = found.ok_or_else(|| protox::Error::file_not_found(name))?;
        File::from_source(name, text)
    }
}

/// A serialized `FileDescriptorSet`.
pub(crate) static SET: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/narthex-protojson/proto");
    let mut resolver = ChainFileResolver::new();
    resolver.add(Files);
    resolver.add(IncludeFileResolver::new(builtin));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_files(FILES.map(|(name, _)| name)).expect("the crates' own tests compile them too");
    compiler.encode_file_descriptor_set()
});

pub(crate) static POOL: LazyLock<Pool> =
    LazyLock::new(|| Pool::from_file_descriptor_set(&SET).expect("protox wrote it"));

/// The message of these protos that has a field of every kind.
pub(crate) fn kinds() -> Message {
    POOL.message("kinds.v1.Kinds").expect("kinds.proto declares it")
}
