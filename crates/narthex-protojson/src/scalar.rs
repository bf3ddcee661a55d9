//! Text to the wire bytes of one field: path captures, query parameters, and JSON strings.

use prost_reflect::{EnumDescriptor, Kind as K};

use crate::error::TextError;
use crate::handle::Field;
use crate::text;
use crate::wire::{self, MAX_DEPTH, TOO_DEEP, WireType, put_bytes, put_tag, put_varint, put_with_len};
use crate::wkt::{self, WellKnown};

/// Appends the wire bytes that set the field at the end of `path` to the value that `text` says.
///
/// `path` leads from a message through singular message fields to the field itself; for a repeated field one element
/// is added. The string rules of ProtoJSON hold (a Timestamp is RFC 3339, bytes are base64, an enum is given by name or
/// number), and a boolean is `true` or `false`. Default values are written too, because the bytes may have to win over
/// bytes before them.
///
/// # Errors
///
/// If the text is no value of the field's type, the type has no text form (a map, a Struct, a message), or messages
/// would be nested deeper than protobuf's parsers read (100).
pub fn text_to_wire(path: &[Field], text: &str, out: &mut Vec<u8>) -> Result<(), TextError> {
    let last_is_message = path.last().is_some_and(|field| field.0.kind().as_message().is_some());
    if path.len() + usize::from(last_is_message) > MAX_DEPTH + 1 {
        return Err(TextError::new(TOO_DEEP));
    }
    put_path(path, text, out)
}

fn put_path(path: &[Field], text: &str, out: &mut Vec<u8>) -> Result<(), TextError> {
    let [field, rest @ ..] = path else { return Err(TextError::new("the field path is empty")) };
    let number = field.number();
    if rest.is_empty() {
        let kind = field.0.kind();
        if field.is_map() {
            return Err(TextError::new("a map cannot be given as text"));
        }
        let mut target = Target::new(kind, Some(number));
        target.skip_default = false;
        return target.put_text(text, out).map_err(TextError::new);
    }
    if field.0.is_group() {
        put_tag(out, number, WireType::StartGroup);
        put_path(rest, text, out)?;
        put_tag(out, number, WireType::EndGroup);
        return Ok(());
    }
    put_tag(out, number, WireType::Len);
    put_with_len(out, |out| put_path(rest, text, out))
}

/// Where and how one value is written.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The field number; `None` for bare contents: a packed element, or the message at the top.
    pub(crate) number: Option<u32>,
    /// The kind of the value, of the value inside if it is a wrapper.
    pub(crate) kind: K,
    /// The message around it is one of the wrapper types.
    pub(crate) wrapped: bool,
    /// A default value need not be written.
    pub(crate) skip_default: bool,
    pub(crate) group: bool,
}

impl Target {
    pub(crate) fn new(kind: K, number: Option<u32>) -> Self {
        let wrapper = kind.as_message().filter(|m| WellKnown::of(m.full_name()) == Some(WellKnown::Wrapper));
        match wrapper.and_then(|message| message.get_field(1)) {
            Some(value) => {
                Self { number, kind: value.kind(), wrapped: true, skip_default: true, group: false }
            }
            None => Self { number, kind, wrapped: false, skip_default: false, group: false },
        }
    }

    /// Whether the value is nested as a message in the one that has the field.
    pub(crate) fn nests(&self) -> bool {
        self.number.is_some() && (self.wrapped || matches!(self.kind, K::Message(_)))
    }

    /// Writes one scalar with its tag, inside its wrapper if it has one.
    pub(crate) fn put_scalar(
        &self,
        out: &mut Vec<u8>,
        wire_type: WireType,
        is_default: bool,
        put: impl FnOnce(&mut Vec<u8>),
    ) {
        let skip = is_default && self.skip_default;
        if self.wrapped {
            let inside: Result<(), std::convert::Infallible> = self.put_message(out, |out| {
                if !skip {
                    put_tag(out, 1, wire_type);
                    put(out);
                }
                Ok(())
            });
            let Ok(()) = inside;
        } else if !skip {
            if let Some(number) = self.number {
                put_tag(out, number, wire_type);
            }
            put(out);
        }
    }

    /// Writes one message with its tag and length, or bare.
    pub(crate) fn put_message<E>(
        &self,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.number {
            None => fill(out),
            Some(number) if self.group => {
                put_tag(out, number, WireType::StartGroup);
                fill(out)?;
                put_tag(out, number, WireType::EndGroup);
                Ok(())
            }
            Some(number) => {
                put_tag(out, number, WireType::Len);
                put_with_len(out, fill)
            }
        }
    }

    pub(crate) fn put_int(&self, value: i128, out: &mut Vec<u8>) -> Result<(), String> {
        let misfit = || format!("{value} does not fit {}", name(&self.kind));
        let zero = value == 0;
        match self.kind {
            K::Int32 | K::Sint32 | K::Sfixed32 => {
                let value = i32::try_from(value).map_err(|_| misfit())?;
                let wide = i64::from(value);
                match self.kind {
                    K::Sfixed32 => self.put_scalar(out, WireType::Fixed32, zero, |out| {
                        out.extend_from_slice(&value.to_le_bytes());
                    }),
                    K::Sint32 => {
                        self.put_scalar(out, WireType::Varint, zero, |out| {
                            put_varint(out, wire::zigzag(wide));
                        });
                    }
                    _ => self
                        .put_scalar(out, WireType::Varint, zero, |out| put_varint(out, wide.cast_unsigned())),
                }
            }
            K::Int64 | K::Sint64 | K::Sfixed64 => {
                let value = i64::try_from(value).map_err(|_| misfit())?;
                match self.kind {
                    K::Sfixed64 => self.put_scalar(out, WireType::Fixed64, zero, |out| {
                        out.extend_from_slice(&value.to_le_bytes());
                    }),
                    K::Sint64 => {
                        self.put_scalar(out, WireType::Varint, zero, |out| {
                            put_varint(out, wire::zigzag(value));
                        });
                    }
                    _ => self.put_scalar(out, WireType::Varint, zero, |out| {
                        put_varint(out, value.cast_unsigned());
                    }),
                }
            }
            K::Uint32 | K::Fixed32 => {
                let value = u32::try_from(value).map_err(|_| misfit())?;
                if matches!(self.kind, K::Fixed32) {
                    self.put_scalar(out, WireType::Fixed32, zero, |out| {
                        out.extend_from_slice(&value.to_le_bytes());
                    });
                } else {
                    self.put_scalar(out, WireType::Varint, zero, |out| put_varint(out, u64::from(value)));
                }
            }
            K::Uint64 | K::Fixed64 => {
                let value = u64::try_from(value).map_err(|_| misfit())?;
                if matches!(self.kind, K::Fixed64) {
                    self.put_scalar(out, WireType::Fixed64, zero, |out| {
                        out.extend_from_slice(&value.to_le_bytes());
                    });
                } else {
                    self.put_scalar(out, WireType::Varint, zero, |out| put_varint(out, value));
                }
            }
            _ => return Err(format!("an integer is no {}", name(&self.kind))),
        }
        Ok(())
    }

    pub(crate) fn put_double(&self, value: f64, out: &mut Vec<u8>) -> Result<(), String> {
        // Minus zero is not the default: it has bits set.
        let zero = value.to_bits() == 0;
        if matches!(self.kind, K::Float) {
            let value = text::to_float(value).ok_or_else(|| format!("{value} does not fit float"))?;
            self.put_scalar(out, WireType::Fixed32, zero, |out| out.extend_from_slice(&value.to_le_bytes()));
        } else {
            self.put_scalar(out, WireType::Fixed64, zero, |out| out.extend_from_slice(&value.to_le_bytes()));
        }
        Ok(())
    }

    pub(crate) fn put_bool(&self, value: bool, out: &mut Vec<u8>) {
        self.put_scalar(out, WireType::Varint, !value, |out| out.push(u8::from(value)));
    }

    pub(crate) fn put_enum(&self, number: i32, out: &mut Vec<u8>) {
        self.put_scalar(out, WireType::Varint, number == 0, |out| {
            put_varint(out, i64::from(number).cast_unsigned());
        });
    }

    pub(crate) fn put_len(&self, bytes: &[u8], out: &mut Vec<u8>) {
        self.put_scalar(out, WireType::Len, bytes.is_empty(), |out| put_bytes(out, bytes));
    }

    /// Writes the value that `text` says.
    pub(crate) fn put_text(&self, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
        let no = || format!("{text:?} is no {}", name(&self.kind));
        match &self.kind {
            K::String => self.put_len(text.as_bytes(), out),
            K::Bytes => {
                let bytes = text::parse_base64(text).ok_or_else(|| format!("{text:?} is no base64"))?;
                self.put_len(&bytes, out);
            }
            K::Bool => match text {
                "true" => self.put_bool(true, out),
                "false" => self.put_bool(false, out),
                _ => return Err(format!("{text:?} is no bool; it is true or false")),
            },
            K::Double | K::Float => self.put_double(text::parse_double(text).ok_or_else(no)?, out)?,
            K::Enum(found) => {
                let number = enum_number(found, text)
                    .ok_or_else(|| format!("{text:?} is no value of {}", found.full_name()))?;
                self.put_enum(number, out);
            }
            K::Message(message) => return self.put_well_known(message.full_name(), text, out),
            _ => self.put_int(text::parse_int(text).ok_or_else(no)?, out)?,
        }
        Ok(())
    }

    fn put_well_known(&self, full_name: &str, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
        let pair = |out: &mut Vec<u8>, (seconds, nanos): (i64, i32)| {
            self.put_message(out, |out| {
                for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
                    if value != 0 || !self.skip_default {
                        put_tag(out, number, WireType::Varint);
                        put_varint(out, value.cast_unsigned());
                    }
                }
                Ok(())
            })
        };
        match WellKnown::of(full_name) {
            Some(WellKnown::Timestamp) => pair(
                out,
                wkt::parse_timestamp(text)
                    .ok_or_else(|| format!("{text:?} is no timestamp such as 2024-02-29T12:00:00Z"))?,
            ),
            Some(WellKnown::Duration) => pair(
                out,
                wkt::parse_duration(text).ok_or_else(|| format!("{text:?} is no duration such as 1.5s"))?,
            ),
            Some(WellKnown::FieldMask) => self.put_message(out, |out| put_mask(text, out)),
            // The oneof member `string_value` of google.protobuf.Value.
            Some(WellKnown::Value) => self.put_message(out, |out| {
                put_tag(out, 3, WireType::Len);
                put_bytes(out, text.as_bytes());
                Ok(())
            }),
            _ => Err(format!("text is no {full_name}")),
        }
    }
}

/// The paths of a google.protobuf.FieldMask, in JSON or proto spelling.
fn put_mask(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    for path in text.split(',').filter(|path| !path.is_empty()) {
        let proto = wkt::mask_path_to_proto(path).ok_or_else(|| {
            format!("{path:?} is no path of a field mask; write it in camel case, as fooBar")
        })?;
        put_tag(out, 1, WireType::Len);
        put_bytes(out, proto.as_bytes());
    }
    Ok(())
}

/// An enum value by name, or else by number.
pub(crate) fn enum_number(found: &EnumDescriptor, text: &str) -> Option<i32> {
    if let Some(value) = found.get_value_by_name(text) {
        return Some(value.number());
    }
    i32::try_from(text::parse_int(text)?).ok()
}

/// What a kind is called in messages to people.
pub(crate) fn name(kind: &K) -> &str {
    match kind {
        K::Double => "double",
        K::Float => "float",
        K::Int32 => "int32",
        K::Int64 => "int64",
        K::Uint32 => "uint32",
        K::Uint64 => "uint64",
        K::Sint32 => "sint32",
        K::Sint64 => "sint64",
        K::Fixed32 => "fixed32",
        K::Fixed64 => "fixed64",
        K::Sfixed32 => "sfixed32",
        K::Sfixed64 => "sfixed64",
        K::Bool => "bool",
        K::String => "string",
        K::Bytes => "bytes",
        K::Enum(found) => found.full_name(),
        K::Message(found) => found.full_name(),
    }
}
