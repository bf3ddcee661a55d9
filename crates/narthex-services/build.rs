//! Compiles the protos of health and reflection to a descriptor set, without protoc.

use std::path::PathBuf;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(false);
    compiler.open_files([
        "grpc/health/v1/health.proto",
        "grpc/reflection/v1/reflection.proto",
        "grpc/reflection/v1alpha/reflection.proto",
    ])?;
    let path = PathBuf::from(env::var("OUT_DIR")?).join("services.binpb");
    fs::write(path, compiler.encode_file_descriptor_set())?;
    Ok(())
}
