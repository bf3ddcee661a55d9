//! Files of protobuf editions, told to prost-reflect in words it knows.
//!
//! prost-reflect reads proto2 and proto3. A file of an edition says by features what those two said by their syntax, so
//! it is written anew as proto2 with labels, types and options that mean the same. One thing proto2 cannot say, implicit
//! presence: such a field is taken to have presence, which shows in `WriteOptions::always_print` alone.
//! Only the pool's own copy is changed: [`crate::File::bytes`] stays as it was given.

use bytes::Bytes;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FieldOptions, FileDescriptorProto};

/// The bytes of a file that prost-reflect can read.
///
/// # Errors
///
/// If its syntax is not proto2, proto3 or editions, or it cannot be decoded.
pub(crate) fn to_syntax(bytes: &Bytes) -> Result<Bytes, String> {
    let marked = Marked::decode(bytes.clone()).map_err(|error| error.to_string())?;
    match marked.syntax.as_str() {
        "" | "proto2" | "proto3" => return Ok(bytes.clone()),
        "editions" => {}
        other => return Err(format!("its syntax is {other:?}; it has to be proto2, proto3 or an edition")),
    }
    let mut file = FileDescriptorProto::decode(bytes.clone()).map_err(|error| error.to_string())?;
    let features = Features::EDITION_2023.with(marked.options);
    for (message, marked) in file.message_type.iter_mut().zip(&marked.messages) {
        rewrite_message(message, marked, features);
    }
    rewrite_fields(&mut file.extension, &marked.extensions, features);
    file.syntax = Some("proto2".to_owned());
    Ok(file.encode_to_vec().into())
}

fn rewrite_message(message: &mut DescriptorProto, marked: &MarkedMessage, features: Features) {
    let features = features.with(marked.options);
    for (message, marked) in message.nested_type.iter_mut().zip(&marked.messages) {
        rewrite_message(message, marked, features);
    }
    rewrite_fields(&mut message.field, &marked.fields, features);
    rewrite_fields(&mut message.extension, &marked.extensions, features);
}

fn rewrite_fields(fields: &mut [FieldDescriptorProto], marked: &[MarkedField], features: Features) {
    for (field, marked) in fields.iter_mut().zip(marked) {
        let features = features.with(marked.options);
        if field.label() == Label::Repeated {
            let packable =
                !matches!(field.r#type(), Type::String | Type::Bytes | Type::Message | Type::Group);
            if packable {
                field.options.get_or_insert_with(FieldOptions::default).packed = Some(features.packed);
            }
        } else if features.required {
            field.set_label(Label::Required);
        }
        if features.delimited && field.r#type() == Type::Message {
            field.set_type(Type::Group);
        }
    }
}

/// The features that matter here, as they hold for one declaration.
#[derive(Debug, Clone, Copy)]
struct Features {
    required: bool,
    packed: bool,
    delimited: bool,
}

impl Features {
    /// Later editions have changed none of these so far.
    const EDITION_2023: Self = Self { required: false, packed: true, delimited: false };

    /// What holds inside a declaration: its own features, else those around it.
    fn with(self, options: Option<impl Into<Option<FeatureSet>>>) -> Self {
        let Some(set) = options.and_then(Into::into) else { return self };
        let pick = |own: i32, is: i32, inherited: bool| if own == 0 { inherited } else { own == is };
        Self {
            required: pick(set.field_presence, 3, self.required),
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
        let file = FileDescriptorProto::decode(to_syntax(file).unwrap()).unwrap();
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
            assert_eq!(to_syntax(&bytes), Ok(bytes));
        }
        assert!(to_syntax(&Bytes::from_static(b"\x62\x06proto9")).unwrap_err().contains("proto9"));
    }
}
