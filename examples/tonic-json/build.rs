//! Generates the service, and keeps its descriptors: the JSON API is made of them. Needs no protoc.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    // google/api is there too; a project of your own has it from googleapis, or from the crate that you like.
    let mut compiler = protox::Compiler::new(["proto", "../../crates/narthex-protojson/proto"])?;
    compiler.include_imports(true).open_file("library.proto")?;
    // Encoded by the compiler itself: the types of prost-types have no room for options that are extensions, as the HTTP rules are.
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("library.binpb");
    fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
