//! Compiles the service's proto to a descriptor set, without protoc.

use std::path::PathBuf;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(false);
    compiler.open_file("narthex/asgi/v1/asgi.proto")?;
    let path = PathBuf::from(env::var("OUT_DIR")?).join("asgi.binpb");
    // Not `file_descriptor_set()`, which loses options that are extensions: google.api.http is one.
    fs::write(path, compiler.encode_file_descriptor_set())?;
    Ok(())
}
