//! Files of protobuf editions, told to prost-reflect in words it knows.
//!
//! prost-reflect reads proto2 and proto3. A file of an edition says by features what those two said by their syntax, so
//! it is written anew as proto2 with labels, types and options that mean the same. What proto2 cannot say (implicit
//! presence, open enums) is kept beside it.
//! Only the pool's own copy is changed: [`crate::File::bytes`] stays as it was given.

use std::collections::HashSet;

use bytes::Bytes;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FieldOptions, FileDescriptorProto,
    MessageOptions,
};

/// What the files of editions say that proto2 has no words for, by full names.
#[derive(Debug, Default)]
pub(crate) struct BeyondProto2 {
    implicit: HashSet<String>,
    open: HashSet<String>,
}

impl BeyondProto2 {
    /// Whether a field's default is the same as its absence.
    pub(crate) fn is_implicit(&self, field: &str) -> bool {
        self.implicit.contains(field)
    }

    /// Whether an enum has values nobody declared.
    pub(crate) fn is_open(&self, enumeration: &str) -> bool {
        self.open.contains(enumeration)
    }
}

/// The bytes of a file that prost-reflect can read; what they cannot say goes to `beyond`.
///
/// # Errors
///
/// If its syntax is not proto2, proto3 or editions, or it cannot be decoded.
pub(crate) fn to_syntax(bytes: &Bytes, beyond: &mut BeyondProto2) -> Result<Bytes, String> {
    let marked = Marked::decode(bytes.clone()).map_err(|error| error.to_string())?;
    match marked.syntax.as_str() {
        "" | "proto2" | "proto3" => return Ok(bytes.clone()),
        "editions" => {}
        other => return Err(format!("its syntax is {other:?}; it has to be proto2, proto3 or an edition")),
    }
    let mut file = FileDescriptorProto::decode(bytes.clone()).map_err(|error| error.to_string())?;
    let scope =
        Scope { name: file.package().to_owned(), features: Features::EDITION_2023.with(marked.options) };
    for (message, marked) in file.message_type.iter_mut().zip(&marked.messages) {
        scope.rewrite_message(message, marked, beyond);
    }
    scope.note_enums(&file.enum_type, &marked.enums, beyond);
    scope.rewrite_fields(&mut file.extension, &marked.extensions);
    file.syntax = Some("proto2".to_owned());
    Ok(file.encode_to_vec().into())
}

/// A package or message, and the features that hold in it.
struct Scope {
    name: String,
    features: Features,
}

impl Scope {
    fn name_of(&self, inside: &str) -> String {
        let dot = if self.name.is_empty() { "" } else { "." };
        format!("{}{dot}{inside}", self.name)
    }

    fn rewrite_message(
        &self,
        message: &mut DescriptorProto,
        marked: &MarkedMessage,
        beyond: &mut BeyondProto2,
    ) {
        let scope = Self { name: self.name_of(message.name()), features: self.features.with(marked.options) };
        for (message, marked) in message.nested_type.iter_mut().zip(&marked.messages) {
            scope.rewrite_message(message, marked, beyond);
        }
        scope.note_enums(&message.enum_type, &marked.enums, beyond);
        if message.options.as_ref().is_some_and(MessageOptions::map_entry) {
            return;
        }
        scope.rewrite_fields(&mut message.field, &marked.fields);
        scope.keep_maps(message);
        scope.rewrite_fields(&mut message.extension, &marked.extensions);
        for (field, marked) in message.field.iter().zip(&marked.fields) {
            let has_presence =
                field.oneof_index.is_some() || matches!(field.r#type(), Type::Message | Type::Group);
            let presence = scope.features.with(marked.options).presence;
            if presence == Presence::Implicit && !has_presence {
                beyond.implicit.insert(scope.name_of(field.name()));
            }
        }
    }

    /// The entries of a map have their length in front, whatever the features say of messages.
    fn keep_maps(&self, message: &mut DescriptorProto) {
        let entries = message
            .nested_type
            .iter()
            .filter(|nested| nested.options.as_ref().is_some_and(MessageOptions::map_entry));
        let entries: Vec<String> = entries.map(|entry| format!(".{}", self.name_of(entry.name()))).collect();
        for field in
            message.field.iter_mut().filter(|field| entries.iter().any(|entry| entry == field.type_name()))
        {
            field.set_type(Type::Message);
        }
    }

    fn note_enums(&self, enums: &[EnumDescriptorProto], marked: &[MarkedEnum], beyond: &mut BeyondProto2) {
        for (found, marked) in enums.iter().zip(marked) {
            if !self.features.with(marked.options).closed {
                beyond.open.insert(self.name_of(found.name()));
            }
        }
    }

    fn rewrite_fields(&self, fields: &mut [FieldDescriptorProto], marked: &[MarkedField]) {
        for (field, marked) in fields.iter_mut().zip(marked) {
            let features = self.features.with(marked.options);
            if field.label() == Label::Repeated {
                let packable =
                    !matches!(field.r#type(), Type::String | Type::Bytes | Type::Message | Type::Group);
                if packable {
                    field.options.get_or_insert_with(FieldOptions::default).packed = Some(features.packed);
                }
            } else if features.presence == Presence::Required {
                field.set_label(Label::Required);
            }
            if features.delimited && field.r#type() == Type::Message {
                field.set_type(Type::Group);
            }
        }
    }
}

/// The features that matter here, as they hold for one declaration.
#[derive(Debug, Clone, Copy)]
struct Features {
    presence: Presence,
    closed: bool,
    packed: bool,
    delimited: bool,
}

/// Whether a field that is not set differs from one at its default.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Presence {
    Explicit,
    Implicit,
    Required,
}

impl Features {
    /// Later editions have changed none of these so far.
    const EDITION_2023: Self =
        Self { presence: Presence::Explicit, closed: false, packed: true, delimited: false };

    /// What holds inside a declaration: its own features, else those around it.
    fn with(self, options: Option<impl Into<Option<FeatureSet>>>) -> Self {
        let Some(set) = options.and_then(Into::into) else { return self };
        let pick = |own: i32, is: i32, inherited: bool| if own == 0 { inherited } else { own == is };
        Self {
            presence: match set.field_presence {
                1 => Presence::Explicit,
                2 => Presence::Implicit,
                3 => Presence::Required,
                _ => self.presence,
            },
            closed: pick(set.enum_type, 2, self.closed),
            packed: pick(set.repeated_field_encoding, 1, self.packed),
            delimited: pick(set.message_encoding, 2, self.delimited),
        }
    }
}

/// `google.protobuf.FeatureSet`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct FeatureSet {
    /// EXPLICIT, IMPLICIT, `LEGACY_REQUIRED`.
    #[prost(int32, tag = "1")]
    field_presence: i32,
    /// OPEN, CLOSED.
    #[prost(int32, tag = "2")]
    enum_type: i32,
    /// PACKED, EXPANDED.
    #[prost(int32, tag = "3")]
    repeated_field_encoding: i32,
    /// `LENGTH_PREFIXED`, DELIMITED.
    #[prost(int32, tag = "5")]
    message_encoding: i32,
}

/// A `FileDescriptorProto` as far as features go.
#[derive(Clone, PartialEq, prost::Message)]
struct Marked {
    #[prost(message, repeated, tag = "4")]
    messages: Vec<MarkedMessage>,
    #[prost(message, repeated, tag = "5")]
    enums: Vec<MarkedEnum>,
    #[prost(message, repeated, tag = "7")]
    extensions: Vec<MarkedField>,
    #[prost(message, optional, tag = "8")]
    options: Option<FileFeatures>,
    #[prost(string, tag = "12")]
    syntax: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MarkedMessage {
    #[prost(message, repeated, tag = "2")]
    fields: Vec<MarkedField>,
    #[prost(message, repeated, tag = "3")]
    messages: Vec<MarkedMessage>,
    #[prost(message, repeated, tag = "4")]
    enums: Vec<MarkedEnum>,
    #[prost(message, repeated, tag = "6")]
    extensions: Vec<MarkedField>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageFeatures>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct MarkedField {
    #[prost(message, optional, tag = "8")]
    options: Option<FieldFeatures>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct MarkedEnum {
    #[prost(message, optional, tag = "3")]
    options: Option<EnumFeatures>,
}

/// `features` has another number in the options of each kind of declaration.
macro_rules! features_in {
    ($name:ident, $tag:literal) => {
        #[derive(Clone, Copy, PartialEq, prost::Message)]
        struct $name {
            #[prost(message, optional, tag = $tag)]
            features: Option<FeatureSet>,
        }

        impl From<$name> for Option<FeatureSet> {
            fn from(options: $name) -> Self {
                options.features
            }
        }
    };
}

features_in!(FileFeatures, "50");
features_in!(MessageFeatures, "12");
features_in!(FieldFeatures, "21");
features_in!(EnumFeatures, "7");

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with a field each: singular, repeated int32, message; each with these features as wire.
    fn file(file_features: &[u8], field_features: &[u8]) -> Bytes {
        let options = |number: u32, features: &[u8]| {
            let mut out = Vec::new();
            crate::wire::put_tag(&mut out, number, crate::wire::WireType::Len);
            crate::wire::put_bytes(&mut out, features);
            out
        };
        let field = |number: u8, label: u8, kind: u8| {
            let mut field = vec![0x18, number, 0x20, label, 0x28, kind, 0x42];
            crate::wire::put_bytes(&mut field, &options(21, field_features));
            field
        };
        let mut message = vec![0x0a, 1, b'M'];
        for field in [field(1, 1, 5), field(2, 3, 5), field(3, 1, 11)] {
            message.push(0x12);
            crate::wire::put_bytes(&mut message, &field);
        }
        let mut file = b"\x62\x08editions\x42".to_vec();
        crate::wire::put_bytes(&mut file, &options(50, file_features));
        file.push(0x22);
        crate::wire::put_bytes(&mut file, &message);
        file.into()
    }

    fn check(file: &Bytes, label: Label, packed: bool, kind: Type) {
        let file =
            FileDescriptorProto::decode(to_syntax(file, &mut BeyondProto2::default()).unwrap()).unwrap();
        assert_eq!(file.syntax(), "proto2");
        let [one, many, message] = &file.message_type[0].field[..] else { panic!() };
        assert_eq!((one.label(), message.r#type()), (label, kind));
        assert_eq!(many.options.as_ref().unwrap().packed, Some(packed));
    }

    #[test]
    fn features_become_labels_types_and_options() {
        check(&file(b"", b""), Label::Optional, true, Type::Message);
        check(&file(b"\x08\x03\x18\x02\x28\x02", b""), Label::Required, false, Type::Group);
        check(&file(b"", b"\x08\x03\x18\x02\x28\x02"), Label::Required, false, Type::Group);
        check(
            &file(b"\x08\x03\x18\x02\x28\x02", b"\x08\x02\x18\x01\x28\x01"),
            Label::Optional,
            true,
            Type::Message,
        );
    }

    #[test]
    fn other_files_stay_as_they_are() {
        for syntax in ["", "proto2", "proto3"] {
            let file =
                FileDescriptorProto { syntax: Some(syntax.to_owned()), ..FileDescriptorProto::default() };
            let bytes = Bytes::from(file.encode_to_vec());
            assert_eq!(to_syntax(&bytes, &mut BeyondProto2::default()), Ok(bytes));
        }
        let error = to_syntax(&Bytes::from_static(b"\x62\x06proto9"), &mut BeyondProto2::default());
        assert!(error.unwrap_err().contains("proto9"));
    }
}
