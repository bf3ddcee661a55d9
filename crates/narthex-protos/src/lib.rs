//! Descriptors from `.proto` files, without protoc.
//!
//! [`compile`] reads files and what they import and makes a serialized `FileDescriptorSet`, which a
//! [`Pool`](narthex_protojson::Pool) is built from as from one of protoc's. Comments stay in it, for whoever documents the API, and
//! so do options of any extension. Compiling itself is protox's; here is where imports are found, and what is told of faults.
//!
//! A crate of its own so that who has compiled descriptors has no compiler in the tree.

#![forbid(unsafe_code)]

mod imports;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use protox::Compiler;
use protox::file::{ChainFileResolver, GoogleFileResolver, IncludeFileResolver};

/// What is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where: the file by the name that it is imported by, then line and column if it is about a place in it.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.what, self.hint)
    }
}

/// Files that were compiled together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// Those that were asked for, by the names that they are imported by; imports are not among them.
    pub files: Vec<String>,
    /// A serialized `google.protobuf.FileDescriptorSet` of them and all that they import, each file after those it imports.
    pub descriptor_set: Vec<u8>,
}

/// Compiles these files and all that they import.
///
/// A file is named by its path, which lies in one of the `folders`, or relative to one of them, as in an `import`. Imports are
/// looked for in the folders in their order. Those that annotate APIs (of google.api and google.rpc) are found without a folder that
/// has them, and protobuf's own files are always those of this crate.
///
/// # Errors
///
/// The first fault of each file that has any.
pub fn compile(files: &[PathBuf], folders: &[PathBuf]) -> Result<Compiled, Vec<Fault>> {
    let mut compiler = Compiler::with_file_resolver(resolver(folders));
    compiler.include_imports(true).include_source_info(true);
    let mut faults = BTreeSet::new();
    for file in files {
        if let Err(error) = compiler.open_file(file) {
            faults.insert(fault(file, &error));
        }
    }
    if faults.is_empty() {
        let asked = compiler.files().filter(|file| !file.is_import());
        Ok(Compiled {
            files: asked.map(|file| file.name().to_owned()).collect(),
            descriptor_set: compiler.encode_file_descriptor_set(),
        })
    } else {
        Err(faults.into_iter().collect())
    }
}

fn resolver(folders: &[PathBuf]) -> ChainFileResolver {
    let mut resolver = ChainFileResolver::new();
    // Many folders have protobuf's own files too, of a version that need not be one protox can read (descriptor.proto describes
    // editions by itself), and these types have one meaning for everybody.
    resolver.add(GoogleFileResolver::new());
    for folder in folders {
        resolver.add(IncludeFileResolver::new(folder.clone()));
    }
    resolver.add(imports::BuiltIn::new());
    resolver
}

fn fault(file: &Path, error: &protox::Error) -> Fault {
    let what = error.to_string();
    // Its debugging form is protoc's: the place, if it has one, in front of what its display says.
    let told = format!("{error:?}");
    let place = told.strip_suffix(&what).map(|place| place.trim_end_matches([':', ' '])).unwrap_or_default();
    let place = if place.is_empty() {
        error.file().map_or_else(|| file.display().to_string(), str::to_owned)
    } else {
        place.to_owned()
    };
    let hint = if error.is_file_not_found() {
        "name the folder that it is in, and those of what it imports, by -I DIR"
    } else if error.is_io() {
        "make it readable"
    } else {
        "mend the file; or compile it by protoc, and name what that writes by --descriptor-set"
    };
    Fault { place, what, hint: hint.to_owned() }
}
