//! Documents of services that are written in a test.

use std::path::Path;

use narthex_openapi::{Base, document};
use narthex_protojson::Pool;
use narthex_transcode::{Options, RouteTable};
use serde_json::Value;

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

/// The document of service `made.Made`, whose rest is `source`.
pub(crate) fn made(source: &str) -> Value {
    let head = r#"syntax = "proto3"; package made; import "google/api/annotations.proto";
        import "google/api/field_behavior.proto"; import "google/api/resource.proto";"#;
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(Source(format!("{head}\n{source}")));
    for folder in ["narthex-protojson/proto", "narthex-protos/proto"] {
        resolver.add(protox::file::IncludeFileResolver::new(crates.join(folder)));
    }
    resolver.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true).open_file("made.proto").unwrap();
    let pool = Pool::from_file_descriptor_set(&compiler.encode_file_descriptor_set()).unwrap();
    let table = RouteTable::build(&pool, &["made.Made".to_owned()]).unwrap();
    let text = document(&pool, &table, &Options::default(), false, &Base::default());
    serde_json::from_str(&text).unwrap()
}

/// Where the parameters of an operation are, and their names.
pub(crate) fn parameters(operation: &Value) -> Vec<(&str, &str)> {
    let all = operation["parameters"].as_array().unwrap().iter();
    all.map(|one| (one["in"].as_str().unwrap(), one["name"].as_str().unwrap())).collect()
}
