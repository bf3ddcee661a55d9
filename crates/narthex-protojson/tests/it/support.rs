//! The pool of the tests, and both directions on text.

use std::sync::LazyLock;

use narthex_protojson::{
    Message, Pool, ReadError, ReadOptions, WriteError, WriteOptions, json_to_wire, wire_to_json,
};
use serde_json::Value;

/// Compiles files given as (name, source) into a descriptor set that holds them and what they import.
pub(crate) fn compile(files: &[(&str, &str)]) -> Vec<u8> {
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(Files(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()));
    resolver.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_files(files.iter().map(|(name, _)| *name)).unwrap();
    compiler.encode_file_descriptor_set()
}

struct Files(Vec<(String, String)>);

impl protox::file::FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        let found = self.0.iter().find(|(other, _)| other == name);
        let (name, text) = found.ok_or_else(|| protox::Error::file_not_found(name))?;
        protox::file::File::from_source(name, text)
    }
}

pub(crate) static SET: LazyLock<Vec<u8>> = LazyLock::new(|| {
    compile(&[("kinds.proto", include_str!("kinds.proto")), ("legacy.proto", include_str!("legacy.proto"))])
});

pub(crate) static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::from_file_descriptor_set(&SET).unwrap());

pub(crate) fn kinds() -> Message {
    POOL.message("kinds.v1.Kinds").unwrap()
}

pub(crate) fn read(message: &Message, json: &str) -> Result<Vec<u8>, ReadError> {
    read_with(message, json, ReadOptions::default())
}

pub(crate) fn read_with(message: &Message, json: &str, options: ReadOptions) -> Result<Vec<u8>, ReadError> {
    let mut wire = Vec::new();
    json_to_wire(message, json.as_bytes(), &options, &mut wire)?;
    Ok(wire)
}

pub(crate) fn write(message: &Message, wire: &[u8]) -> Result<String, WriteError> {
    write_with(message, wire, WriteOptions::default())
}

pub(crate) fn write_with(
    message: &Message,
    wire: &[u8],
    options: WriteOptions,
) -> Result<String, WriteError> {
    let mut json = Vec::new();
    wire_to_json(message, wire, &options, &mut json)?;
    Ok(String::from_utf8(json).unwrap())
}

/// Reads JSON and writes it again.
pub(crate) fn canonical(message: &Message, json: &str) -> Value {
    let wire = read(message, json).unwrap_or_else(|error| panic!("{json}: {error}"));
    serde_json::from_str(&write(message, &wire).unwrap()).unwrap()
}

/// Equal but for the type of numbers: 1 and 1.0 are the same JSON number, and floats are compared as floats.
#[expect(clippy::cast_possible_truncation, reason = "floats are compared as floats")]
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            a.to_bits() == b.to_bits() || (a as f32).to_bits() == (b as f32).to_bits()
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
