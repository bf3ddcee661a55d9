//! Descriptors compiled into tables: what reading and writing ask of a message, found by index instead of by name.
//!
//! Compiled once, when the pool is built; nothing but guesses changes afterwards. Messages and enums refer to each other by
//! index, because message types are recursive.

mod build;
mod enums;
mod names;
mod order;

use std::collections::HashMap;

pub(crate) use enums::EnumTable;
use names::{Names, Start};
use order::Next;

use crate::scalar::Slot;
use crate::wire::{Payload, WireType};
use crate::wkt::WellKnown;

/// The types of a pool.
#[derive(Debug)]
pub(crate) struct Tables {
    messages: Vec<MessageTable>,
    enums: Vec<EnumTable>,
    by_name: HashMap<Box<str>, MessageId>,
}

/// A message type among [`Tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MessageId(u32);

/// An enum type among [`Tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EnumId(u32);

impl Tables {
    pub(crate) fn find(&self, full_name: &str) -> Option<MessageId> {
        self.by_name.get(full_name).copied()
    }

    pub(crate) fn message(&self, id: MessageId) -> &MessageTable {
        &self.messages[id.0 as usize]
    }

    pub(crate) fn enumeration(&self, id: EnumId) -> &EnumTable {
        &self.enums[id.0 as usize]
    }

    /// Whether a number on the wire is none of a closed enum's, and so an unknown field.
    #[inline]
    pub(crate) fn is_undeclared(&self, kind: Type, bits: u64) -> bool {
        match kind {
            Type::Enum(id) => self.enumeration(id).is_undeclared(bits),
            _ => false,
        }
    }

    /// What a type is called in messages to people.
    pub(crate) fn name(&self, kind: Type) -> &str {
        match kind {
            Type::Double => "double",
            Type::Float => "float",
            Type::Int32 => "int32",
            Type::Int64 => "int64",
            Type::Uint32 => "uint32",
            Type::Uint64 => "uint64",
            Type::Sint32 => "sint32",
            Type::Sint64 => "sint64",
            Type::Fixed32 => "fixed32",
            Type::Fixed64 => "fixed64",
            Type::Sfixed32 => "sfixed32",
            Type::Sfixed64 => "sfixed64",
            Type::Bool => "bool",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Enum(id) => &self.enumeration(id).full_name,
            Type::Message(id) | Type::Group(id) => &self.message(id).full_name,
        }
    }
}

/// A message type.
#[derive(Debug)]
pub(crate) struct MessageTable {
    pub(crate) full_name: Box<str>,
    pub(crate) known: Option<WellKnown>,
    /// The fields it declares by number, then its extensions by number: the order in which they are printed.
    pub(crate) fields: Box<[FieldTable]>,
    /// Which field texts mostly begin with.
    pub(crate) first: Next,
    /// How many of them are no extensions.
    declared: usize,
    names: Names,
    numbers: Numbers,
    oneofs: Box<[Box<str>]>,
}

impl MessageTable {
    /// The fields it declares itself, without extensions.
    pub(crate) fn declared(&self) -> &[FieldTable] {
        &self.fields[..self.declared]
    }

    /// Where among `fields` the one with this JSON name, proto name, or `[name]` of an extension is.
    pub(crate) fn index_of_name(&self, name: &str) -> Option<usize> {
        self.names.find(name)
    }

    /// Where among `fields` the one with this number is.
    pub(crate) fn index_of_number(&self, number: u32) -> Option<usize> {
        self.numbers.find(number)
    }

    pub(crate) fn field(&self, number: u32) -> Option<&FieldTable> {
        self.index_of_number(number).map(|index| &self.fields[index])
    }

    /// How many oneofs it has.
    pub(crate) fn oneofs(&self) -> usize {
        self.oneofs.len()
    }

    pub(crate) fn oneof_name(&self, index: u16) -> &str {
        &self.oneofs[usize::from(index)]
    }
}

/// A field of a message type, or an extension of it.
#[derive(Debug)]
pub(crate) struct FieldTable {
    pub(crate) number: u32,
    pub(crate) kind: Type,
    pub(crate) shape: Shape,
    /// Where one value is written: the value, an element of the list, an entry of the map.
    pub(crate) slot: Slot,
    /// Whether unset and default are different states.
    pub(crate) presence: bool,
    /// Which oneof of its message it belongs to.
    pub(crate) oneof: Option<u16>,
    pub(crate) name: Box<str>,
    pub(crate) json_name: Box<str>,
    pub(crate) full_name: Box<str>,
    /// `"jsonName":`
    pub(crate) json_key: Box<[u8]>,
    json_start: Start,
    /// `"proto_name":`
    pub(crate) proto_key: Box<[u8]>,
    /// Which field mostly comes after it.
    pub(crate) next: Next,
    /// What it is when it is not set, if it is a scalar.
    pub(crate) default: Option<Box<DefaultValue>>,
}

/// A scalar in the form it has on the wire.
#[derive(Debug)]
pub(crate) enum DefaultValue {
    /// What a varint says, or the bits of a number of fixed size.
    Bits(u64),
    Bytes(Box<[u8]>),
}

impl FieldTable {
    /// Whether a payload is a value of this field; what is none is an unknown field to protobuf's parsers.
    pub(crate) fn takes(&self, payload: &Payload) -> bool {
        let wire_type = payload.wire_type();
        wire_type == self.kind.wire_type() || (wire_type == WireType::Len && self.may_be_packed())
    }

    /// Whether its elements may come in one piece: parsers take both forms, whichever is declared.
    pub(crate) fn may_be_packed(&self) -> bool {
        matches!(self.shape, Shape::List { .. })
            && !matches!(self.kind.wire_type(), WireType::Len | WireType::StartGroup)
    }

    pub(crate) fn well_known(&self, tables: &Tables) -> Option<WellKnown> {
        match self.kind {
            Type::Message(id) => tables.message(id).known,
            _ => None,
        }
    }
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    List { packed: bool },
    Map,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
    /// A message that is delimited by tags instead of having its length in front.
    Group(MessageId),
}

impl Type {
    pub(crate) fn wire_type(self) -> WireType {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::Fixed64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::Fixed32,
            Self::String | Self::Bytes | Self::Message(_) => WireType::Len,
            Self::Group(_) => WireType::StartGroup,
            _ => WireType::Varint,
        }
    }

    pub(crate) fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(id) | Self::Group(id) => Some(id),
            _ => None,
        }
    }
}

/// From numbers to indices: the low ones, which are nearly all, in an array.
#[derive(Debug)]
struct Numbers {
    /// One more than the index; 0 if no field has the number.
    low: Box<[u16]>,
    high: Box<[(u32, usize)]>,
}

impl Numbers {
    fn new(fields: &[FieldTable]) -> Self {
        let bound = 4 * fields.len() + 64;
        let is_low = |number: u32| (number as usize) < bound && fields.len() < usize::from(u16::MAX);
        let length = fields.iter().map(|field| field.number).filter(|number| is_low(*number)).max();
        let mut low = vec![0; length.map_or(0, |highest| highest as usize + 1)];
        let mut high = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            match u16::try_from(index + 1) {
                Ok(entry) if is_low(field.number) => low[field.number as usize] = entry,
                _ => high.push((field.number, index)),
            }
        }
        high.sort_unstable();
        Self { low: low.into(), high: high.into() }
    }

    fn find(&self, number: u32) -> Option<usize> {
        match self.low.get(number as usize) {
            Some(0) if self.high.is_empty() => None,
            Some(0) | None => self.find_high(number),
            Some(entry) => Some(usize::from(*entry) - 1),
        }
    }

    fn find_high(&self, number: u32) -> Option<usize> {
        let at = self.high.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(self.high[at].1)
    }
}
