//! What files say of their declarations beyond what the codec needs: comments, `google.api.field_behavior`, deprecation, and
//! the values of enums in their order.
//!
//! Read from the bytes of the files when it is asked for, so that a server that describes nothing holds none of it.

use std::collections::{HashMap, HashSet};

use prost::Message as _;

use crate::files::File;
use crate::pool::Pool;

/// What declarations say of themselves, by their full names.
#[derive(Debug, Default)]
pub struct Declarations {
    comments: HashMap<String, String>,
    behaviors: HashMap<String, Vec<i32>>,
    deprecated: HashSet<String>,
    enums: HashMap<String, Vec<(String, i32)>>,
    patterns: Vec<String>,
}

/// `google.api.FieldBehavior`, of which a field may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of google/api/field_behavior.proto")]
pub enum Behavior {
    Required = 2,
    OutputOnly = 3,
    InputOnly = 4,
    Immutable = 5,
}

impl Declarations {
    /// The comment before a message, field, enum, service or method, or else the one behind it; only descriptors with
    /// source information have any.
    pub fn comment(&self, full_name: &str) -> Option<&str> {
        self.comments.get(full_name).map(String::as_str)
    }

    /// Whether the field is annotated with this behavior.
    pub fn behaves(&self, field: &str, behavior: Behavior) -> bool {
        self.behaviors.get(field).is_some_and(|all| all.contains(&(behavior as i32)))
    }

    /// Whether the field, method or message says that it should not be used any more.
    pub fn is_deprecated(&self, full_name: &str) -> bool {
        self.deprecated.contains(full_name)
    }

    /// The patterns of all resources (`google.api.resource`, `google.api.resource_definition`), in order.
    pub fn resource_patterns(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(String::as_str)
    }

    /// The values of an enum, in the order of its file.
    pub fn values(&self, full_name: &str) -> &[(String, i32)] {
        self.enums.get(full_name).map_or(&[], Vec::as_slice)
    }

    fn read(&mut self, file: &File) {
        // It was decoded when the pool was built.
        let file = RawFile::decode(file.bytes().clone()).unwrap_or_default();
        let mut comments = HashMap::new();
        for location in file.source.unwrap_or_default().location {
            let text = [location.leading, location.trailing].into_iter().find(|text| !text.trim().is_empty());
            comments.extend(text.map(|text| (location.path, text)));
        }
        let defined = file.options.unwrap_or_default().resource_definition;
        self.patterns.extend(defined.into_iter().flat_map(|resource| resource.pattern));
        let mut walk = Walk { into: self, comments };
        for (index, message) in (0..).zip(&file.message) {
            walk.message(message, &file.package, &[4, index]);
        }
        for (index, found) in (0..).zip(&file.enums) {
            walk.enumeration(found, &file.package, &[5, index]);
        }
        for (index, service) in (0..).zip(&file.service) {
            let name = walk.note(&file.package, &service.name, &[6, index], service.options.as_ref());
            for (number, method) in (0..).zip(&service.method) {
                walk.note(&name, &method.name, &[6, index, 2, number], method.options.as_ref());
            }
        }
    }
}

impl Pool {
    /// What all files of the pool say of their declarations.
    pub fn declarations(&self) -> Declarations {
        let mut all = Declarations::default();
        for file in self.files() {
            all.read(file);
        }
        // Files come in no order.
        all.patterns.sort_unstable();
        all
    }
}

/// What a file declares, in its order and without comments; of what cannot be read, nothing.
pub(crate) fn shape(file: &[u8]) -> impl PartialEq + use<> {
    RawFile { source: None, ..RawFile::decode(file).unwrap_or_default() }
}

/// One file's declarations, with its comments by the paths of `google.protobuf.SourceCodeInfo`.
struct Walk<'a> {
    into: &'a mut Declarations,
    comments: HashMap<Vec<i32>, String>,
}

impl Walk<'_> {
    fn message(&mut self, message: &RawMessage, scope: &str, path: &[i32]) {
        let name = self.note(scope, &message.name, path, message.options.as_ref());
        let resource = message.options.as_ref().and_then(|options| options.resource.as_ref());
        self.into.patterns.extend(resource.into_iter().flat_map(|resource| resource.pattern.iter().cloned()));
        let below = |kind, index| [path, &[kind, index]].concat();
        for (index, field) in (0..).zip(&message.field) {
            let options = field.options.clone().unwrap_or_default();
            let deprecated = RawOptions { deprecated_field: options.deprecated, ..RawOptions::default() };
            let field = self.note(&name, &field.name, &below(2, index), Some(&deprecated));
            if !options.behavior.is_empty() {
                self.into.behaviors.insert(field, options.behavior);
            }
        }
        for (index, nested) in (0..).zip(&message.nested) {
            self.message(nested, &name, &below(3, index));
        }
        for (index, found) in (0..).zip(&message.enums) {
            self.enumeration(found, &name, &below(4, index));
        }
    }

    fn enumeration(&mut self, found: &RawEnum, scope: &str, path: &[i32]) {
        let name = self.note(scope, &found.name, path, None);
        for (index, value) in (0..).zip(&found.value) {
            self.note(&name, &value.name, &[path, &[2, index]].concat(), None);
        }
        let values = found.value.iter().map(|value| (value.name.clone(), value.number));
        self.into.enums.insert(name, values.collect());
    }

    /// Keeps what any declaration may say of itself; returns its full name.
    fn note(&mut self, scope: &str, name: &str, path: &[i32], options: Option<&RawOptions>) -> String {
        let full_name = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        if let Some(comment) = self.comments.remove(path) {
            self.into.comments.insert(full_name.clone(), unindented(&comment));
        }
        if options.is_some_and(RawOptions::is_deprecated) {
            self.into.deprecated.insert(full_name.clone());
        }
        full_name
    }
}

/// The text of a comment without the space that follows each `//`.
fn unindented(comment: &str) -> String {
    let lines: Vec<&str> =
        comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawFile {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    message: Vec<RawMessage>,
    #[prost(message, repeated, tag = "5")]
    enums: Vec<RawEnum>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<RawService>,
    #[prost(message, optional, tag = "8")]
    options: Option<RawFileOptions>,
    #[prost(message, optional, tag = "9")]
    source: Option<RawSource>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    field: Vec<RawField>,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<RawMessage>,
    #[prost(message, repeated, tag = "4")]
    enums: Vec<RawEnum>,
    #[prost(message, optional, tag = "7")]
    options: Option<RawOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawField {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "3")]
    number: i32,
    #[prost(message, optional, tag = "8")]
    options: Option<RawFieldOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawFieldOptions {
    #[prost(bool, tag = "3")]
    deprecated: bool,
    /// The extension `google.api.field_behavior`; packed or not, both are read.
    #[prost(int32, repeated, tag = "1052")]
    behavior: Vec<i32>,
}

/// `deprecated` has a number of its own in the options of fields (3, see above), of messages (3) and of services and methods (33).
#[derive(Clone, PartialEq, prost::Message)]
struct RawOptions {
    #[prost(bool, tag = "3")]
    deprecated_field: bool,
    #[prost(bool, tag = "33")]
    deprecated_call: bool,
    /// The extension `google.api.resource`, which messages alone have.
    #[prost(message, optional, tag = "1053")]
    resource: Option<RawResource>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawResource {
    #[prost(string, repeated, tag = "2")]
    pattern: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawFileOptions {
    /// The extension `google.api.resource_definition`.
    #[prost(message, repeated, tag = "1053")]
    resource_definition: Vec<RawResource>,
}

impl RawOptions {
    fn is_deprecated(&self) -> bool {
        self.deprecated_field || self.deprecated_call
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawEnum {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    value: Vec<RawValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawValue {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    number: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawService {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<RawMethod>,
    #[prost(message, optional, tag = "3")]
    options: Option<RawOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawMethod {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "4")]
    options: Option<RawOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawSource {
    #[prost(message, repeated, tag = "1")]
    location: Vec<RawLocation>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawLocation {
    #[prost(int32, repeated, tag = "1")]
    path: Vec<i32>,
    #[prost(string, tag = "3")]
    leading: String,
    #[prost(string, tag = "4")]
    trailing: String,
}
