//! ProtoJSON text to protobuf wire.
//!
//! `serde_json` reads the text, the visitors here write the wire as they are called: there is no tree in between, save
//! for an Any whose `@type` is not its first member. Stricter than the specification asks in one place: a member given
//! twice is refused, also when spelled once as the JSON and once as the proto name.

mod any;
mod fields;
mod value;

use std::cell::{Cell, RefCell};
use std::fmt;

use prost_reflect::{DescriptorPool, Kind as K};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::ReadError;
use crate::handle::{Field, Message};
use crate::scalar::{Target, enum_number, name};
use crate::text;
use crate::wire::{MAX_DEPTH, TOO_DEEP};
use crate::wkt::WellKnown;
use value::ValueSeed;

/// How JSON is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Leave out members and enum names nobody knows, instead of refusing them.
    pub ignore_unknown: bool,
}

/// Appends the wire form of a message given in its JSON form.
///
/// # Errors
///
/// If the text is not JSON, is not the JSON form of `message`, or nests messages deeper than protobuf's parsers read
/// (100): with line, column, and the path within the message.
pub fn json_to_wire(
    message: &Message,
    json: &[u8],
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let reader = Reader::new(message.0.parent_pool(), options);
    let target = Target::new(K::Message(message.0.clone()), None);
    reader.run(json, |reader, json| {
        OneSeed { reader, target: &target, null: Null::Refused, out }.deserialize(json).map(drop)
    })
}

/// Appends wire that sets a field to the value given as JSON.
///
/// `null` and what else means "not set" give no bytes.
///
/// # Errors
///
/// As [`json_to_wire`]; the path begins with the name of the field.
pub fn field_json_to_wire(
    field: &Field,
    json: &[u8],
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let reader = Reader::new(field.0.parent_pool(), options);
    let shape = fields::Shape::of_field(field.0.clone());
    reader.run(json, |reader, json| {
        let read = fields::FieldSeed { reader, shape: &shape, out }.deserialize(json);
        read.map(drop).inspect_err(|_| reader.failed_in(shape.step()))
    })
}

type Json<'r, 'de> = &'r mut serde_json::Deserializer<serde_json::de::SliceRead<'de>>;

/// What all visitors of one text share.
struct Reader<'a> {
    pool: &'a DescriptorPool,
    options: &'a ReadOptions,
    /// The way to where reading failed, innermost step first; nothing is kept while all goes well.
    path: RefCell<Vec<Step>>,
    /// How many messages the one being written is nested in.
    depth: Cell<usize>,
}

enum Step {
    Name(String),
    Index(usize),
    Key(String),
}

impl<'a> Reader<'a> {
    fn new(pool: &'a DescriptorPool, options: &'a ReadOptions) -> Self {
        Self { pool, options, path: RefCell::new(Vec::new()), depth: Cell::new(0) }
    }

    fn run(
        &self,
        json: &[u8],
        read: impl FnOnce(&Self, Json<'_, '_>) -> Result<(), serde_json::Error>,
    ) -> Result<(), ReadError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        read(self, &mut deserializer).and_then(|()| deserializer.end()).map_err(|error| self.located(&error))
    }

    /// Reads what is nested as a message in the one being written.
    fn nested<T, E: serde::de::Error>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let outer = self.depth.get();
        if outer == MAX_DEPTH {
            return Err(E::custom(TOO_DEEP));
        }
        self.depth.set(outer + 1);
        let result = read();
        self.depth.set(outer);
        result
    }

    /// Reads a message that parsers get as bytes, and parse anew.
    fn unnested<T>(&self, read: impl FnOnce() -> T) -> T {
        let outer = self.depth.replace(0);
        let result = read();
        self.depth.set(outer);
        result
    }

    fn failed_in(&self, step: Step) {
        self.path.borrow_mut().push(step);
    }

    fn located(&self, error: &serde_json::Error) -> ReadError {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let place = format!(" at line {line} column {column}");
        let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
        let mut path = String::new();
        for step in self.path.borrow().iter().rev() {
            match step {
                Step::Name(name) if path.is_empty() => path.push_str(name),
                Step::Name(name) => path.extend([".", name]),
                Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
                Step::Key(key) => path.extend(["[", &format!("{key:?}"), "]"]),
            }
        }
        ReadError { line, column, path, message }
    }
}

/// What a JSON `null` means where a value is read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Null {
    /// The field is not set.
    Unset,
    /// It is no value (an element of a list, a value of a map, the message itself).
    Refused,
}

/// Reads one value that is no list and no map; says whether it wrote something.
struct OneSeed<'a> {
    reader: &'a Reader<'a>,
    target: &'a Target,
    null: Null,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for OneSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        let reader = self.reader;
        if self.target.nests() { reader.nested(|| self.read(json)) } else { self.read(json) }
    }
}

impl<'de> OneSeed<'_> {
    fn read<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        if self.well_known() == Some(WellKnown::Value) {
            let reader = self.reader;
            self.target.put_message(self.out, |out| ValueSeed { reader, out }.deserialize(json))?;
            return Ok(true);
        }
        json.deserialize_any(self)
    }
}

impl OneSeed<'_> {
    fn well_known(&self) -> Option<WellKnown> {
        self.target.kind.as_message().and_then(|message| WellKnown::of(message.full_name()))
    }

    fn int<E: serde::de::Error>(self, value: i128) -> Result<bool, E> {
        if let K::Enum(_) = &self.target.kind {
            let number = i32::try_from(value).map_err(|_| E::custom(format!("{value} is no enum number")))?;
            self.target.put_enum(number, self.out);
        } else {
            self.target.put_int(value, self.out).map_err(E::custom)?;
        }
        Ok(true)
    }
}

impl<'de> Visitor<'de> for OneSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(&self.target.kind))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<bool, E> {
        match &self.target.kind {
            K::Enum(found) if found.full_name() == "google.protobuf.NullValue" => {
                self.target.put_enum(0, self.out);
                Ok(true)
            }
            _ if self.null == Null::Unset => Ok(false),
            kind => Err(E::custom(format!("null is no {}", name(kind)))),
        }
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<bool, E> {
        if !matches!(self.target.kind, K::Bool) {
            return Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self));
        }
        self.target.put_bool(value, self.out);
        Ok(true)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<bool, E> {
        match self.target.kind {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is wanted")]
            K::Double | K::Float => self.visit_f64(value as f64),
            K::Bool | K::String | K::Bytes | K::Message(_) => {
                Err(E::invalid_type(serde::de::Unexpected::Signed(value), &self))
            }
            _ => self.int(i128::from(value)),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<bool, E> {
        match self.target.kind {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is wanted")]
            K::Double | K::Float => self.visit_f64(value as f64),
            K::Bool | K::String | K::Bytes | K::Message(_) => {
                Err(E::invalid_type(serde::de::Unexpected::Unsigned(value), &self))
            }
            _ => self.int(i128::from(value)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<bool, E> {
        match self.target.kind {
            K::Double | K::Float => {
                self.target.put_double(value, self.out).map_err(E::custom)?;
                Ok(true)
            }
            K::Bool | K::String | K::Bytes | K::Message(_) => {
                Err(E::invalid_type(serde::de::Unexpected::Float(value), &self))
            }
            _ => match text::int_from_double(value) {
                Some(whole) => self.int(whole),
                None => Err(E::custom(format!("{value} is no {}", name(&self.target.kind)))),
            },
        }
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<bool, E> {
        match &self.target.kind {
            K::Bool => return Err(E::invalid_type(serde::de::Unexpected::Str(value), &self)),
            K::Enum(found) if self.reader.options.ignore_unknown && enum_number(found, value).is_none() => {
                return Ok(false);
            }
            _ => self.target.put_text(value, self.out).map_err(E::custom)?,
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        if self.well_known() != Some(WellKnown::ListValue) {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        self.target.put_message(self.out, |out| value::read_list(self.reader, seq, out))?;
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        let K::Message(message) = &self.target.kind else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        };
        let reader = self.reader;
        match WellKnown::of(message.full_name()) {
            None | Some(WellKnown::Empty) => {
                self.target.put_message(self.out, |out| fields::read_fields(reader, message, map, out))?;
            }
            Some(WellKnown::Struct) => {
                self.target.put_message(self.out, |out| value::read_struct(reader, map, out))?;
            }
            Some(WellKnown::Any) => {
                self.target.put_message(self.out, |out| any::read_any(reader, map, out))?;
            }
            Some(_) => return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self)),
        }
        Ok(true)
    }
}
