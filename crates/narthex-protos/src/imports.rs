//! The files that are there without a folder that has them.
//!
//! Those that every pool holds come from its own set, so that both are the same byte for byte; the rest of what APIs are annotated
//! with is here as text. `proto/` is googleapis' (Apache-2.0), unchanged. A file of the same name in a folder of the caller's comes first.

use narthex_protojson::BUILTIN_DESCRIPTOR_SET;
use protox::Error;
use protox::file::{DescriptorSetFileResolver, File, FileResolver};

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../proto/", $name)))),*]
    };
}

const SOURCES: &[(&str, &str)] = sources![
    "google/api/client.proto",
    "google/api/field_info.proto",
    "google/api/launch_stage.proto",
    "google/api/resource.proto",
    "google/api/routing.proto",
    "google/api/visibility.proto",
];

pub(crate) struct BuiltIn {
    pools: DescriptorSetFileResolver,
}

impl BuiltIn {
    pub(crate) fn new() -> Self {
        let pools = DescriptorSetFileResolver::decode(BUILTIN_DESCRIPTOR_SET);
        Self { pools: pools.expect("a test compares it with the set that it is made from") }
    }
}

impl FileResolver for BuiltIn {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        match SOURCES.iter().find(|(known, _)| *known == name) {
            Some((_, source)) => File::from_source(name, source),
            None => self.pools.open_file(name),
        }
    }
}
