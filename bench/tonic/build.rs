//! Generates the service, and keeps its descriptors for the JSON API.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["../proto", "../../crates/narthex-protojson/proto"])?;
    compiler.include_imports(true).open_file("arithmetic/v1/calculator.proto")?;
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("calculator.binpb");
    fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    println!("cargo::rerun-if-changed=../proto");
    Ok(())
}
