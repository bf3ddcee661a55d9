//! Descriptors to tables.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Syntax,
    Value,
};

use super::names::{Names, Start};
use super::order::Next;
use super::{
    DefaultValue, EnumId, EnumTable, FieldTable, MessageId, MessageTable, Numbers, Shape, Tables, Type,
};
use crate::editions::BeyondProto2;
use crate::scalar::Slot;
use crate::text;
use crate::wkt::WellKnown;

impl Tables {
    /// Compiles all types of the pool.
    pub(crate) fn new(pool: &DescriptorPool, beyond: &BeyondProto2) -> Self {
        let ids = Ids {
            messages: (0..)
                .zip(pool.all_messages())
                .map(|(id, m)| (m.full_name().into(), MessageId(id)))
                .collect(),
            enums: (0..).zip(pool.all_enums()).map(|(id, e)| (e.full_name().into(), EnumId(id))).collect(),
        };
        Self {
            messages: pool.all_messages().map(|message| message_table(&message, &ids, beyond)).collect(),
            enums: pool.all_enums().map(|found| enum_table(&found, beyond)).collect(),
            by_name: ids.messages,
        }
    }
}

struct Ids {
    messages: HashMap<Box<str>, MessageId>,
    enums: HashMap<Box<str>, EnumId>,
}

impl Ids {
    fn kind(&self, kind: &Kind, group: bool) -> Type {
        match kind {
            Kind::Double => Type::Double,
            Kind::Float => Type::Float,
            Kind::Int32 => Type::Int32,
            Kind::Int64 => Type::Int64,
            Kind::Uint32 => Type::Uint32,
            Kind::Uint64 => Type::Uint64,
            Kind::Sint32 => Type::Sint32,
            Kind::Sint64 => Type::Sint64,
            Kind::Fixed32 => Type::Fixed32,
            Kind::Fixed64 => Type::Fixed64,
            Kind::Sfixed32 => Type::Sfixed32,
            Kind::Sfixed64 => Type::Sfixed64,
            Kind::Bool => Type::Bool,
            Kind::String => Type::String,
            Kind::Bytes => Type::Bytes,
            // The ids are those of the pool that the field is in, so its types are among them.
            Kind::Enum(found) => Type::Enum(self.enums[found.full_name()]),
            Kind::Message(message) if group => Type::Group(self.messages[message.full_name()]),
            Kind::Message(message) => Type::Message(self.messages[message.full_name()]),
        }
    }
}

fn enum_table(found: &EnumDescriptor, beyond: &BeyondProto2) -> EnumTable {
    let closed = found.parent_file().syntax() == Syntax::Proto2 && !beyond.is_open(found.full_name());
    // As declared: `found.values()` is sorted, and of several names of a number the first one declared counts.
    let values = found.enum_descriptor_proto().value.iter().map(|value| (value.name(), value.number()));
    EnumTable::new(found.full_name(), closed, values)
}

fn message_table(message: &MessageDescriptor, ids: &Ids, beyond: &BeyondProto2) -> MessageTable {
    let mut fields: Vec<FieldTable> =
        message.fields().map(|field| Declaration::of_field(&field, beyond).compile(ids)).collect();
    let declared = fields.len();
    fields.extend(message.extensions().map(|field| Declaration::of_extension(&field).compile(ids)));
    fields[..declared].sort_by_key(|field| field.number);
    fields[declared..].sort_by_key(|field| field.number);
    for (index, field) in fields.iter_mut().enumerate() {
        field.next = Next::new(index + 1);
    }
    MessageTable {
        full_name: message.full_name().into(),
        known: WellKnown::of(message.full_name()),
        names: Names::new(&fields, declared),
        numbers: Numbers::new(&fields),
        fields: fields.into(),
        first: Next::new(0),
        declared,
        oneofs: message.oneofs().map(|oneof| oneof.name().into()).collect(),
    }
}

/// What fields and extensions have in common.
struct Declaration<'a> {
    number: u32,
    kind: Kind,
    group: bool,
    shape: Shape,
    presence: bool,
    oneof: Option<u16>,
    name: &'a str,
    json_name: &'a str,
    full_name: &'a str,
    default: Value,
}

impl<'a> Declaration<'a> {
    fn of_field(field: &'a FieldDescriptor, beyond: &BeyondProto2) -> Self {
        // A descriptor's path ends with its index among those of its kind.
        let oneof = field.containing_oneof().and_then(|oneof| oneof.path().last().copied());
        Self {
            number: field.number(),
            kind: field.kind(),
            group: field.is_group(),
            shape: shape(field.is_list(), field.is_map(), field.is_packed()),
            presence: field.supports_presence() && !beyond.is_implicit(field.full_name()),
            oneof: oneof.and_then(|index| u16::try_from(index).ok()),
            name: field.name(),
            json_name: field.json_name(),
            full_name: field.full_name(),
            default: field.default_value(),
        }
    }

    fn of_extension(field: &'a ExtensionDescriptor) -> Self {
        Self {
            number: field.number(),
            kind: field.kind(),
            group: field.is_group(),
            shape: shape(field.is_list(), field.is_map(), field.is_packed()),
            presence: field.supports_presence(),
            oneof: None,
            name: field.json_name(),
            json_name: field.json_name(),
            full_name: field.full_name(),
            default: field.default_value(),
        }
    }

    fn compile(self, ids: &Ids) -> FieldTable {
        let kind = ids.kind(&self.kind, self.group);
        let skip_default = self.shape == Shape::One && !self.presence;
        let key = |name: &str| {
            let mut key = Vec::new();
            text::put_string(name, &mut key);
            key.push(b':');
            key.into_boxed_slice()
        };
        let json_key = key(self.json_name);
        FieldTable {
            number: self.number,
            kind,
            shape: self.shape,
            slot: Slot::new(self.number, kind.wire_type(), skip_default),
            presence: self.presence,
            oneof: self.oneof,
            name: self.name.into(),
            json_name: self.json_name.into(),
            full_name: self.full_name.into(),
            json_start: Start::of(&json_key),
            json_key,
            proto_key: key(self.name),
            // Its place is not known yet.
            next: Next::new(0),
            default: default_value(kind, &self.default).map(Box::new),
        }
    }
}

fn shape(list: bool, map: bool, packed: bool) -> Shape {
    if map {
        Shape::Map
    } else if list {
        Shape::List { packed }
    } else {
        Shape::One
    }
}

fn default_value(kind: Type, value: &Value) -> Option<DefaultValue> {
    let signed = |value: i64| match kind {
        Type::Sint32 | Type::Sint64 => DefaultValue::Bits(crate::wire::zigzag(value)),
        _ => DefaultValue::Bits(value.cast_unsigned()),
    };
    Some(match value {
        Value::Bool(value) => DefaultValue::Bits(u64::from(*value)),
        Value::I32(value) | Value::EnumNumber(value) => signed(i64::from(*value)),
        Value::I64(value) => signed(*value),
        Value::U32(value) => DefaultValue::Bits(u64::from(*value)),
        Value::U64(value) => DefaultValue::Bits(*value),
        Value::F32(value) => DefaultValue::Bits(u64::from(value.to_bits())),
        Value::F64(value) => DefaultValue::Bits(value.to_bits()),
        Value::String(value) => DefaultValue::Bytes(value.as_bytes().into()),
        Value::Bytes(value) => DefaultValue::Bytes(value[..].into()),
        Value::Message(_) | Value::List(_) | Value::Map(_) => return None,
    })
}
