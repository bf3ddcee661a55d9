//! The files of descriptor sets, before they are a pool: taken out of a set, joined to one, and which of them it is about.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use prost::{DecodeError, Message as _};

use crate::declared;
use crate::error::PoolError;
use crate::http_rule::{HttpRule, MethodOptions};
use crate::pool::Pool;

/// A method's rule, or why its options cannot be read.
pub(crate) type Annotation = Result<Arc<HttpRule>, DecodeError>;

/// One `.proto` file of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    name: String,
    package: String,
    dependencies: Vec<String>,
    has_services: bool,
    /// The google.api.http annotations of its methods, by their full names.
    rules: Vec<(String, Annotation)>,
    /// What `buf build` says of it; protoc says nothing.
    is_import: Option<bool>,
    bytes: Bytes,
}

impl File {
    /// The name other files import it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the files it imports.
    pub fn dependencies(&self) -> &[String] {
        &self.dependencies
    }

    /// Its `google.protobuf.FileDescriptorProto`, exactly as it was given.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn rules(&self) -> &[(String, Annotation)] {
        &self.rules
    }

    /// Whether another file has the same declarations in the same places, whatever comments either has: what one says of
    /// them holds for the other then.
    pub fn declares_the_same(&self, other: &Self) -> bool {
        declared::shape(&self.bytes) == declared::shape(&other.bytes)
    }

    /// Takes over the comments of the same file where it has none of its own.
    fn take_comments(&mut self, other: &Self) {
        let source = |file: &Self| RawSource::decode(file.bytes.clone()).unwrap_or_default();
        let theirs = source(other);
        if theirs.source.is_some() && source(self).source.is_none() && self.declares_the_same(other) {
            // What is put behind a message are more fields of it.
            self.bytes = [&*self.bytes, &theirs.encode_to_vec()].concat().into();
        }
    }
}

impl Pool {
    /// The files that are there only since others import them, by name.
    ///
    /// `buf build` marks them. protoc does not; there it is those that files of other packages alone import, as
    /// `google/longrunning/operations.proto`: files of one package that import each other are one API. A set whose services
    /// are all in such files is about these.
    pub fn imports(&self) -> HashSet<&str> {
        if self.files().any(|file| file.is_import.is_some()) {
            return self.files().filter(|file| file.is_import == Some(true)).map(File::name).collect();
        }
        let mut imports: HashSet<&str> = HashSet::new();
        let mut kept: HashSet<&str> = HashSet::new();
        for importer in self.files() {
            for import in importer.dependencies().iter().filter_map(|name| self.file(name)) {
                let of = if import.package == importer.package { &mut kept } else { &mut imports };
                of.insert(import.name());
            }
        }
        imports.retain(|name| !kept.contains(name));
        if self.files().any(|file| file.has_services && !imports.contains(file.name())) {
            imports
        } else {
            HashSet::new()
        }
    }
}

/// Splits a set into its files without changing a byte of them.
pub(crate) fn split(set: &[u8]) -> Result<Vec<File>, PoolError> {
    let set = RawSet::decode(Bytes::copy_from_slice(set)).map_err(|error| {
        PoolError::whole(format!("these bytes are no google.protobuf.FileDescriptorSet: {error}"))
    })?;
    let file = |(index, bytes): (usize, Bytes)| {
        let raw = RawFile::decode(bytes.clone()).map_err(|error| {
            PoolError::whole(format!(
                "file {index} of the set is no google.protobuf.FileDescriptorProto: {error}"
            ))
        })?;
        Ok(File {
            has_services: !raw.service.is_empty(),
            rules: rules(&raw.package, raw.service),
            name: raw.name,
            package: raw.package,
            dependencies: raw.dependency,
            is_import: raw.buf.map(|buf| buf.is_import),
            bytes,
        })
    };
    set.file.into_iter().enumerate().map(file).collect()
}

/// The rules of a file's methods. One that is malformed is kept as that, so that it is told with its file, beside all else that
/// is wrong there.
fn rules(package: &str, services: Vec<RawService>) -> Vec<(String, Annotation)> {
    let dot = if package.is_empty() { "" } else { "." };
    let mut rules = Vec::new();
    for service in services {
        for method in service.method {
            // Parts of one message that stand one behind the other are that message.
            let options = MethodOptions::decode(&*method.options.concat()).map(|options| options.http);
            if let Some(rule) = options.transpose() {
                rules.push((format!("{package}{dot}{}.{}", service.name, method.name), rule.map(Arc::new)));
            }
        }
    }
    rules
}

/// Several descriptor sets as one; of files of the same name the first is taken, with the comments of another that declares the
/// same where it has none.
///
/// Sets that come from different programs have files in common (google/protobuf/timestamp.proto) that need not be the same byte
/// for byte, which one set may not have. Descriptors in generated code have no comments, those of the sources do.
///
/// # Errors
///
/// If one of them is no descriptor set.
pub fn join_descriptor_sets<'a>(sets: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, PoolError> {
    let mut joined: Vec<File> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for set in sets {
        for file in split(set)? {
            match places.entry(file.name.clone()) {
                Entry::Occupied(first) => joined[*first.get()].take_comments(&file),
                Entry::Vacant(none) => {
                    none.insert(joined.len());
                    joined.push(file);
                }
            }
        }
    }
    Ok(RawSet { file: joined.into_iter().map(|file| file.bytes).collect() }.encode_to_vec())
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawFile {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<RawService>,
    /// `buf.alpha.image.v1.ImageFileExtension`.
    #[prost(message, optional, tag = "8042")]
    buf: Option<RawBuf>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawService {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<RawMethod>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawMethod {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    options: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawBuf {
    #[prost(bool, tag = "1")]
    is_import: bool,
}

/// The source information of a file as it is.
#[derive(Clone, PartialEq, prost::Message)]
struct RawSource {
    #[prost(bytes = "bytes", optional, tag = "9")]
    source: Option<Bytes>,
}
