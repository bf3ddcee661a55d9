//! The members of a JSON object as the fields of a message; lists and maps.

use std::fmt;

use prost_reflect::{ExtensionDescriptor, FieldDescriptor, Kind as K, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Null, OneSeed, Reader, Step};
use crate::scalar::{Target, name};
use crate::wire::{WireType, put_tag, put_with_len};

/// What reading a field needs to know of it, be it a field or an extension.
pub(super) struct Shape {
    target: Target,
    number: u32,
    many: Many,
    packed: bool,
    declared: Declared,
    /// Which oneof of its message it belongs to.
    oneof: Option<i32>,
}

/// The declaration, kept for its name: copying that for every member would cost more than reading most of them.
enum Declared {
    Field(FieldDescriptor),
    Extension(ExtensionDescriptor),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Many {
    No,
    List,
    Map,
}

impl Many {
    fn of(list: bool, map: bool) -> Self {
        if map {
            Self::Map
        } else if list {
            Self::List
        } else {
            Self::No
        }
    }
}

impl Shape {
    pub(super) fn of_field(field: FieldDescriptor) -> Self {
        let mut target = Target::new(field.kind(), Some(field.number()));
        target.group = field.is_group();
        let many = Many::of(field.is_list(), field.is_map());
        if !target.wrapped {
            target.skip_default = many == Many::No && !field.supports_presence();
        }
        // A descriptor's path ends with its index among those of its kind.
        let oneof = field.containing_oneof().and_then(|oneof| oneof.path().last().copied());
        let (number, packed) = (field.number(), field.is_packed());
        Self { target, number, many, packed, declared: Declared::Field(field), oneof }
    }

    fn of_extension(field: ExtensionDescriptor) -> Self {
        let mut target = Target::new(field.kind(), Some(field.number()));
        target.group = field.is_group();
        let many = Many::of(field.is_list(), field.is_map());
        let (number, packed) = (field.number(), field.is_packed());
        Self { target, number, many, packed, declared: Declared::Extension(field), oneof: None }
    }

    /// The step to it in the path of an error.
    pub(super) fn step(&self) -> Step {
        Step::Name(match &self.declared {
            Declared::Field(field) => field.json_name().to_owned(),
            Declared::Extension(field) => field.json_name().to_owned(),
        })
    }

    fn oneof_name(&self) -> String {
        match &self.declared {
            Declared::Field(field) => field.containing_oneof().map(|oneof| oneof.name().to_owned()),
            Declared::Extension(_) => None,
        }
        .unwrap_or_default()
    }
}

/// Finds the field that a member's name means.
struct NameSeed<'a>(&'a MessageDescriptor);

enum Named {
    Known(Shape),
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Named;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Named, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of a field of {}", self.0.full_name())
    }

    fn visit_str<E>(self, name: &str) -> Result<Named, E> {
        let message = self.0;
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
        let shape = field
            .map(Shape::of_field)
            .or_else(|| message.get_extension_by_json_name(name).map(Shape::of_extension));
        Ok(shape.map_or_else(|| Named::Unknown(name.to_owned()), Named::Known))
    }
}

/// Writes the contents of a message from the members that are left in `map`.
pub(super) fn read_fields<'de, A: MapAccess<'de>>(
    reader: &Reader<'_>,
    message: &MessageDescriptor,
    mut map: A,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    let mut seen: Vec<u32> = Vec::new();
    let mut oneofs: Vec<i32> = Vec::new();
    while let Some(named) = map.next_key_seed(NameSeed(message))? {
        match named {
            Named::Known(shape) => {
                if seen.contains(&shape.number) {
                    reader.failed_in(shape.step());
                    return Err(A::Error::custom("it is given twice"));
                }
                seen.push(shape.number);
                let set = map
                    .next_value_seed(FieldSeed { reader, shape: &shape, out })
                    .inspect_err(|_| reader.failed_in(shape.step()))?;
                if let Some(oneof) = shape.oneof.filter(|_| set) {
                    if oneofs.contains(&oneof) {
                        let name = shape.oneof_name();
                        return Err(A::Error::custom(format!("more than one field of oneof {name} is set")));
                    }
                    oneofs.push(oneof);
                }
            }
            Named::Unknown(name) if reader.options.ignore_unknown => {
                map.next_value::<IgnoredAny>().inspect_err(|_| reader.failed_in(Step::Name(name)))?;
            }
            Named::Unknown(name) => {
                return Err(A::Error::custom(format!("{} has no field {name:?}", message.full_name())));
            }
        }
    }
    Ok(())
}

/// Reads the value of a field; says whether the field is set by it.
pub(super) struct FieldSeed<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) shape: &'a Shape,
    pub(super) out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        if self.shape.many != Many::No {
            return json.deserialize_any(self);
        }
        let Self { reader, shape, out } = self;
        OneSeed { reader, target: &shape.target, null: Null::Unset, out }.deserialize(json)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shape.many == Many::Map {
            f.write_str("an object that is a map")
        } else {
            write!(f, "a list of {}", name(&self.shape.target.kind))
        }
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        if self.shape.many == Many::Map {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        if !self.shape.packed {
            read_elements(self.reader, &self.shape.target, seq, self.out)?;
            return Ok(true);
        }
        let target = Target { number: None, ..self.shape.target.clone() };
        let before = self.out.len();
        put_tag(self.out, self.shape.number, WireType::Len);
        let mut any = false;
        put_with_len(self.out, |out| {
            let start = out.len();
            read_elements(self.reader, &target, seq, out)?;
            any = out.len() > start;
            Ok(())
        })?;
        if !any {
            self.out.truncate(before);
        }
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let (Many::Map, K::Message(entry)) = (self.shape.many, &self.shape.target.kind) else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        };
        let key_target = Target::new(entry.map_entry_key_field().kind(), Some(1));
        let value_target = Target::new(entry.map_entry_value_field().kind(), Some(2));
        let reader = self.reader;
        while let Some(key) = map.next_key::<String>()? {
            let before = self.out.len();
            put_tag(self.out, self.shape.number, WireType::Len);
            let mut written = true;
            let entry = |out: &mut Vec<u8>| {
                put_key(&key_target, &key, out).map_err(A::Error::custom)?;
                written =
                    map.next_value_seed(OneSeed { reader, target: &value_target, null: Null::Refused, out })?;
                Ok(())
            };
            reader
                .nested(|| put_with_len(self.out, entry))
                .inspect_err(|_: &A::Error| reader.failed_in(Step::Key(key)))?;
            if !written {
                self.out.truncate(before);
            }
        }
        Ok(true)
    }
}

fn read_elements<'de, A: SeqAccess<'de>>(
    reader: &Reader<'_>,
    target: &Target,
    mut seq: A,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    let mut index = 0;
    while seq
        .next_element_seed(OneSeed { reader, target, null: Null::Refused, out })
        .inspect_err(|_| reader.failed_in(Step::Index(index)))?
        .is_some()
    {
        index += 1;
    }
    Ok(())
}

/// A map key; numbers are plain integers here, without fraction or exponent.
fn put_key(target: &Target, key: &str, out: &mut Vec<u8>) -> Result<(), String> {
    match target.kind {
        K::String | K::Bool => target.put_text(key, out),
        _ if key.bytes().all(|b| b.is_ascii_digit() || b == b'-') => target.put_text(key, out),
        _ => Err(format!("{key:?} is no {}", name(&target.kind))),
    }
}
