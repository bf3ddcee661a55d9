//! Values to the wire bytes of one field: path captures, query parameters, and the strings and numbers of JSON.

use crate::error::TextError;
use crate::handle::Field;
use crate::read::ReadOptions;
use crate::table::{EnumTable, Shape, Tables, Type};
use crate::text::{self, Integer, quoted};
use crate::wire::{
    self, MAX_DEPTH, Packed, TOO_DEEP, WireType, put_bytes, put_tag, put_varint, put_with_len,
};
use crate::wkt::{self, WellKnown};

/// Appends the wire bytes that set the field at the end of `path` to the value that `text` says.
///
/// `path` leads from a message through singular message fields to the field itself; for a repeated field one element
/// is added. The string rules of ProtoJSON hold (a Timestamp is RFC 3339, bytes are base64, an enum is given by name or
/// number), and a boolean is `true` or `false`. Default values are written too, because the bytes may have to win over
/// bytes before them. Of the options only those count that are about how enums and field masks are spelled.
///
/// # Errors
///
/// If the text is no value of the field's type, the type has no text form (a map, a Struct, a message), or messages
/// would be nested deeper than protobuf's parsers read (100).
pub fn text_to_wire(
    path: &[Field],
    text: &str,
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    let last_is_message = path.last().is_some_and(|field| field.table().kind.message().is_some());
    if path.len() + usize::from(last_is_message) > MAX_DEPTH + 1 {
        return Err(TextError::new(TOO_DEEP));
    }
    put_path(path, text, *options, out)
}

fn put_path(path: &[Field], text: &str, options: ReadOptions, out: &mut Vec<u8>) -> Result<(), TextError> {
    let [field, rest @ ..] = path else { return Err(TextError::new("the field path is empty")) };
    let table = field.table();
    if rest.is_empty() {
        if table.shape == Shape::Map {
            return Err(TextError::new("a map cannot be given as text"));
        }
        let writer = TextWriter { tables: field.tables(), options, explicit: true };
        return writer.put(table.kind, table.slot.always(), text, out).map_err(TextError::new);
    }
    if let Type::Group(_) = table.kind {
        put_tag(out, table.number, WireType::StartGroup);
        put_path(rest, text, options, out)?;
        put_tag(out, table.number, WireType::EndGroup);
        return Ok(());
    }
    put_tag(out, table.number, WireType::Len);
    put_with_len(out, |out| put_path(rest, text, options, out))
}

/// Where a value is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// The tag in front, as it is on the wire; of no bytes, which is no tag, for a value that stands alone: a packed element, the
    /// message at the top.
    tag: Packed,
    /// A default value need not be written.
    skip_default: bool,
}

impl Slot {
    /// Without a tag.
    pub(crate) const BARE: Self = Self { tag: Packed::NONE, skip_default: false };

    pub(crate) fn new(number: u32, wire_type: WireType, skip_default: bool) -> Self {
        let tag = u64::from(wire::tag(number, wire_type));
        Self { tag: Packed::varint(tag).unwrap_or(Packed::NONE), skip_default }
    }

    /// The same place, where default values are written too.
    pub(crate) fn always(self) -> Self {
        Self { skip_default: false, ..self }
    }

    pub(crate) fn is_bare(self) -> bool {
        self.tag == Packed::NONE
    }

    #[inline]
    pub(crate) fn put_tag(self, out: &mut Vec<u8>) {
        self.tag.put(out);
    }

    /// The other end of a group's tag.
    pub(crate) fn put_end_tag(self, out: &mut Vec<u8>) {
        self.tag.end_of_group().put(out);
    }

    #[inline]
    pub(crate) fn varint(self, value: u64, out: &mut Vec<u8>) {
        if value == 0 && self.skip_default {
            return;
        }
        match Packed::varint(value) {
            Some(value) if !self.is_bare() => self.tag.put_with(value, out),
            _ => {
                self.put_tag(out);
                put_varint(out, value);
            }
        }
    }

    #[inline]
    pub(crate) fn fixed32(self, value: u32, out: &mut Vec<u8>) {
        if value != 0 || !self.skip_default {
            self.tag.put_with(Packed::fixed32(value), out);
        }
    }

    #[inline]
    pub(crate) fn fixed64(self, value: u64, out: &mut Vec<u8>) {
        if value != 0 || !self.skip_default {
            self.tag.put_with(Packed::fixed64(value), out);
        }
    }

    #[inline]
    pub(crate) fn bytes(self, bytes: &[u8], out: &mut Vec<u8>) {
        if !bytes.is_empty() || !self.skip_default {
            self.always().varint(bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
    }

    /// Writes what `fill` appends, with its length if it does not stand alone; nothing if it appends nothing that has to be written.
    pub(crate) fn filled<E>(
        self,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_bare() {
            return fill(out);
        }
        let before = out.len();
        self.put_tag(out);
        let start = wire::open_len(out);
        fill(out)?;
        if out.len() == start && self.skip_default {
            out.truncate(before);
        } else {
            wire::close_len(out, start);
        }
        Ok(())
    }

    pub(crate) fn enum_number(self, number: i32, out: &mut Vec<u8>) {
        self.varint(i64::from(number).cast_unsigned(), out);
    }

    pub(crate) fn bool(self, value: bool, out: &mut Vec<u8>) {
        self.varint(u64::from(value), out);
    }

    /// Writes a float or double; false if it is too large for a float.
    #[inline]
    pub(crate) fn real(self, kind: Type, value: f64, out: &mut Vec<u8>) -> bool {
        // Minus zero is not the default: it has bits set.
        if kind == Type::Double {
            self.fixed64(value.to_bits(), out);
            return true;
        }
        let float = text::to_float(value);
        if let Some(float) = float {
            self.fixed32(float.to_bits(), out);
        }
        float.is_some()
    }

    /// Writes an integer of any type, or an enum by number; false if it does not fit.
    #[inline]
    pub(crate) fn integer(self, kind: Type, value: Integer, out: &mut Vec<u8>) -> bool {
        self.integer_if_it_fits(kind, value, out).is_some()
    }

    #[inline]
    fn integer_if_it_fits(self, kind: Type, value: Integer, out: &mut Vec<u8>) -> Option<()> {
        match kind {
            Type::Int32 | Type::Enum(_) => {
                self.varint(i64::from(i32::try_from(value.signed()?).ok()?).cast_unsigned(), out);
            }
            Type::Int64 => self.varint(value.signed()?.cast_unsigned(), out),
            Type::Uint32 => self.varint(u64::from(u32::try_from(value.unsigned()?).ok()?), out),
            Type::Uint64 => self.varint(value.unsigned()?, out),
            Type::Sint32 => self.varint(wire::zigzag(i64::from(i32::try_from(value.signed()?).ok()?)), out),
            Type::Sint64 => self.varint(wire::zigzag(value.signed()?), out),
            Type::Fixed32 => self.fixed32(u32::try_from(value.unsigned()?).ok()?, out),
            Type::Fixed64 => self.fixed64(value.unsigned()?, out),
            Type::Sfixed32 => self.fixed32(i32::try_from(value.signed()?).ok()?.cast_unsigned(), out),
            Type::Sfixed64 => self.fixed64(value.signed()?.cast_unsigned(), out),
            _ => return None,
        }
        Some(())
    }
}

/// Writes values given as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextWriter<'t> {
    pub(crate) tables: &'t Tables,
    pub(crate) options: ReadOptions,
    /// Default values within a message are written too.
    pub(crate) explicit: bool,
}

impl TextWriter<'_> {
    /// Writes the value that `text` says; what is wrong with it otherwise.
    pub(crate) fn put(self, kind: Type, slot: Slot, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
        let no = || format!("{} is no {}", quoted(text), self.tables.name(kind));
        match kind {
            Type::String => slot.bytes(text.as_bytes(), out),
            Type::Bytes => slot.filled(out, |out| {
                text::decode_base64(text, out)
                    .then_some(())
                    .ok_or_else(|| format!("{} is no base64", quoted(text)))
            })?,
            Type::Bool => match text {
                "true" => slot.bool(true, out),
                "false" => slot.bool(false, out),
                _ => return Err(format!("{} is no bool; it is true or false", quoted(text))),
            },
            Type::Double | Type::Float => {
                let value = text::parse_double(text).ok_or_else(no)?;
                if !slot.real(kind, value, out) {
                    return Err(self.misfit(kind, text.get(..40).unwrap_or(text)));
                }
            }
            Type::Enum(id) => {
                let found = self.tables.enumeration(id);
                let number = self.enum_number(found, text).ok_or_else(|| no_value(found, text))?;
                slot.enum_number(number, out);
            }
            Type::Message(_) | Type::Group(_) => return self.put_message(kind, slot, text, out),
            _ => {
                let value = text::parse_int(text).ok_or_else(no)?;
                if !slot.integer(kind, value, out) {
                    return Err(self.misfit(kind, &value.to_string()));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn misfit(self, kind: Type, value: &str) -> String {
        format!("{value} does not fit {}", self.tables.name(kind))
    }

    /// An enum value by name, or else by number.
    pub(crate) fn enum_number(self, found: &EnumTable, text: &str) -> Option<i32> {
        let named = if self.options.enums_in_any_case {
            found.number_in_any_case(text)
        } else {
            found.number(text.as_bytes())
        };
        named.or_else(|| i32::try_from(text::parse_int(text)?.signed()?).ok())
    }

    fn put_message(self, kind: Type, slot: Slot, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
        let pair = |out: &mut Vec<u8>, (seconds, nanos): (i64, i32)| {
            slot.filled(out, |out| {
                for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
                    Slot::new(number, WireType::Varint, !self.explicit).varint(value.cast_unsigned(), out);
                }
                Ok(())
            })
        };
        let Type::Message(id) = kind else { return Err(format!("text is no {}", self.tables.name(kind))) };
        let message = self.tables.message(id);
        match message.known {
            Some(WellKnown::Timestamp) => {
                let value = wkt::parse_timestamp(text);
                pair(
                    out,
                    value.ok_or_else(|| {
                        format!("{} is no timestamp such as 2024-02-29T12:00:00Z", quoted(text))
                    })?,
                )
            }
            Some(WellKnown::Duration) => {
                let value = wkt::parse_duration(text);
                pair(out, value.ok_or_else(|| format!("{} is no duration such as 1.5s", quoted(text)))?)
            }
            Some(WellKnown::FieldMask) => {
                slot.filled(out, |out| put_mask(text, self.options.proto_masks, out))
            }
            // The oneof member `string_value` of google.protobuf.Value.
            Some(WellKnown::Value) => slot.filled(out, |out| {
                put_tag(out, 3, WireType::Len);
                put_bytes(out, text.as_bytes());
                Ok(())
            }),
            Some(WellKnown::Wrapper) => match message.field(1) {
                Some(value) => {
                    let inside = if self.explicit { value.slot.always() } else { value.slot };
                    slot.filled(out, |out| self.put(value.kind, inside, text, out))
                }
                None => Err(format!("text is no {}", message.full_name)),
            },
            _ => Err(format!("text is no {}", message.full_name)),
        }
    }
}

pub(crate) fn no_value(found: &EnumTable, text: &str) -> String {
    format!("{} is no value of {}", quoted(text), found.full_name)
}

/// The paths of a google.protobuf.FieldMask, in JSON spelling, or with `proto` also as the proto file spells them.
fn put_mask(text: &str, proto: bool, out: &mut Vec<u8>) -> Result<(), String> {
    for path in text.split(',').filter(|path| !path.is_empty()) {
        let proto = wkt::mask_path_to_proto(path, proto).ok_or_else(|| {
            format!("{} is no path of a field mask; write it in camel case, as fooBar", quoted(path))
        })?;
        put_tag(out, 1, WireType::Len);
        put_bytes(out, proto.as_bytes());
    }
    Ok(())
}
