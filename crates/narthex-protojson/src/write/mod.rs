//! Protobuf wire to ProtoJSON text.
//!
//! The wire is decoded into a message first: fields may come in pieces and in any order, JSON wants each once. Fields
//! are printed by number and map entries by key, so the same message always gives the same text.

mod well_known;

use std::io::Write as _;

use prost_reflect::{DynamicMessage, Kind as K, MapKey, ReflectMessage as _, Value};

use crate::error::WriteError;
use crate::handle::{Field, Message};
use crate::text;
use crate::wkt::WellKnown;

/// How JSON is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Name fields as the proto file does, instead of in camel case.
    pub proto_names: bool,
    /// Print enum values as numbers instead of names.
    pub enums_as_ints: bool,
    /// Print fields that have no presence also when they are at their default.
    pub always_print: bool,
}

/// Appends the JSON form of a message given in its wire form.
///
/// # Errors
///
/// If the bytes are not wire of `message`, or it holds something JSON has no form for: an Any of a type that is not in
/// the pool, a Timestamp or Duration out of range, a Value that is not finite.
pub fn wire_to_json(
    message: &Message,
    wire: &[u8],
    options: &WriteOptions,
    out: &mut Vec<u8>,
) -> Result<(), WriteError> {
    let message = decode(message, wire)?;
    Writer { options, out }.message(&message)
}

/// Appends the JSON form of one field of a message given in its wire form.
///
/// A field that is not set gives its default: `{}` for a message, `null` for a well-known type with a JSON form of its own.
///
/// # Errors
///
/// As [`wire_to_json`].
pub fn wire_to_field_json(
    field: &Field,
    wire: &[u8],
    options: &WriteOptions,
    out: &mut Vec<u8>,
) -> Result<(), WriteError> {
    let message = decode(&field.parent(), wire)?;
    let singular = !field.is_list() && !field.is_map();
    let text = field.well_known().is_some_and(|known| known != WellKnown::Empty);
    if singular && text && !message.has_field(&field.0) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    Writer { options, out }.value(&message.get_field(&field.0), &field.0.kind())
}

fn decode(message: &Message, wire: &[u8]) -> Result<DynamicMessage, WriteError> {
    DynamicMessage::decode(message.0.clone(), wire)
        .map_err(|error| WriteError::new(format!("these bytes are no {}: {error}", message.full_name())))
}

struct Writer<'a> {
    options: &'a WriteOptions,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn message(&mut self, message: &DynamicMessage) -> Result<(), WriteError> {
        let descriptor = message.descriptor();
        match WellKnown::of(descriptor.full_name()) {
            None | Some(WellKnown::Empty) => {
                self.out.push(b'{');
                self.fields(message, true)?;
                self.out.push(b'}');
                Ok(())
            }
            Some(well_known) => self.well_known(well_known, message),
        }
    }

    /// The members of an object; `first` if none has been written yet.
    fn fields(&mut self, message: &DynamicMessage, mut first: bool) -> Result<(), WriteError> {
        if self.options.always_print {
            let descriptor = message.descriptor();
            for field in descriptor.fields() {
                if message.has_field(&field) || !field.supports_presence() {
                    let value = message.get_field(&field);
                    self.member(&mut first, self.name_of(&field), &value, &field.kind())?;
                }
            }
        } else {
            for (field, value) in message.fields() {
                self.member(&mut first, self.name_of(&field), value, &field.kind())?;
            }
        }
        for (extension, value) in message.extensions() {
            self.member(&mut first, extension.json_name(), value, &extension.kind())?;
        }
        Ok(())
    }

    fn name_of<'f>(&self, field: &'f prost_reflect::FieldDescriptor) -> &'f str {
        if self.options.proto_names { field.name() } else { field.json_name() }
    }

    fn member(&mut self, first: &mut bool, name: &str, value: &Value, kind: &K) -> Result<(), WriteError> {
        self.comma(first);
        self.string(name);
        self.out.push(b':');
        self.value(value, kind)
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
    }

    fn value(&mut self, value: &Value, kind: &K) -> Result<(), WriteError> {
        match value {
            Value::Bool(value) => self.raw(if *value { "true" } else { "false" }),
            Value::I32(value) => self.display(value),
            Value::U32(value) => self.display(value),
            Value::I64(value) => self.quoted(value),
            Value::U64(value) => self.quoted(value),
            Value::F32(value) => match nonfinite(f64::from(*value)) {
                Some(name) => self.string(name),
                None => self.number(value),
            },
            Value::F64(value) => self.double(*value),
            Value::String(value) => self.string(value),
            Value::Bytes(value) => {
                self.out.push(b'"');
                text::put_base64(value, self.out);
                self.out.push(b'"');
            }
            Value::EnumNumber(number) => self.enum_value(*number, kind),
            Value::Message(message) => return self.message(message),
            Value::List(values) => return self.list(values, kind),
            Value::Map(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                return self.map(&entries, kind);
            }
        }
        Ok(())
    }

    fn list(&mut self, values: &[Value], kind: &K) -> Result<(), WriteError> {
        self.out.push(b'[');
        let mut first = true;
        for value in values {
            self.comma(&mut first);
            self.value(value, kind)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, entries: &[(&MapKey, &Value)], kind: &K) -> Result<(), WriteError> {
        let value_kind = match kind {
            K::Message(entry) if entry.is_map_entry() => entry.map_entry_value_field().kind(),
            _ => return Err(WriteError::new("a map without an entry type")),
        };
        self.out.push(b'{');
        let mut first = true;
        for (key, value) in entries {
            self.comma(&mut first);
            match key {
                MapKey::Bool(key) => self.quoted(key),
                MapKey::I32(key) => self.quoted(key),
                MapKey::I64(key) => self.quoted(key),
                MapKey::U32(key) => self.quoted(key),
                MapKey::U64(key) => self.quoted(key),
                MapKey::String(key) => self.string(key),
            }
            self.out.push(b':');
            self.value(value, &value_kind)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn enum_value(&mut self, number: i32, kind: &K) {
        let named = match kind {
            K::Enum(found) if found.full_name() == "google.protobuf.NullValue" => return self.raw("null"),
            K::Enum(found) if !self.options.enums_as_ints => found.get_value(number),
            _ => None,
        };
        match named {
            Some(value) => self.string(value.name()),
            None => self.display(&number),
        }
    }

    fn double(&mut self, value: f64) {
        match nonfinite(value) {
            Some(name) => self.string(name),
            None => self.number(&value),
        }
    }

    /// A finite float or double by the shortest text that reads back as the same; whole numbers without `.0`.
    fn number(&mut self, value: &impl serde::Serialize) {
        self.json(value);
        if self.out.ends_with(b".0") {
            self.out.truncate(self.out.len() - 2);
        }
    }

    fn string(&mut self, text: &str) {
        self.json(text);
    }

    fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(&mut *self.out, value).expect("strings and numbers can be written to memory");
    }

    fn display(&mut self, value: &impl std::fmt::Display) {
        write!(self.out, "{value}").expect("memory can be written to");
    }

    fn quoted(&mut self, value: &impl std::fmt::Display) {
        write!(self.out, "\"{value}\"").expect("memory can be written to");
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

fn nonfinite(value: f64) -> Option<&'static str> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some("NaN")
    } else if value > 0.0 {
        Some("Infinity")
    } else {
        Some("-Infinity")
    }
}
