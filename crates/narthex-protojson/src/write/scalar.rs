//! One scalar.

use super::{Result, Writer};
use crate::error::WriteError;
use crate::table::{DefaultValue, FieldTable, Type};
use crate::text;
use crate::wire::{Cursor, Malformed, Payload, low, unzigzag};

/// A scalar as it is on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    /// What a varint says, or the bits of a number of fixed size.
    Bits(u64),
    Bytes(&'a [u8]),
}

impl<'a> Scalar<'a> {
    pub(super) const ZERO: Self = Self::Bits(0);

    #[inline]
    pub(super) fn of(payload: Payload, wire: &'a [u8]) -> Self {
        match payload {
            Payload::Varint(bits) | Payload::Fixed64(bits) => Self::Bits(bits),
            Payload::Fixed32(bits) => Self::Bits(u64::from(bits)),
            Payload::Len(span) | Payload::Group(span) => Self::Bytes(span.bytes(wire)),
        }
    }

    pub(super) fn of_default(default: &'a DefaultValue) -> Self {
        match default {
            DefaultValue::Bits(bits) => Self::Bits(*bits),
            DefaultValue::Bytes(bytes) => Self::Bytes(bytes),
        }
    }

    /// The next element of a packed list.
    #[inline]
    pub(super) fn packed(kind: Type, cursor: &mut Cursor<'_>) -> std::result::Result<Self, Malformed> {
        Ok(Self::Bits(match kind {
            Type::Double | Type::Fixed64 | Type::Sfixed64 => u64::from_le_bytes(cursor.array()?),
            Type::Float | Type::Fixed32 | Type::Sfixed32 => u64::from(u32::from_le_bytes(cursor.array()?)),
            _ => cursor.varint()?,
        }))
    }

    #[inline]
    pub(super) fn is_zero(self) -> bool {
        match self {
            Self::Bits(bits) => bits == 0,
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }

    /// Whether it is the zero of its type, which may be shorter than the varint.
    #[inline]
    pub(super) fn is_zero_of(self, kind: Type) -> bool {
        match kind {
            Type::Int32 | Type::Sint32 | Type::Uint32 | Type::Enum(_) => self.low_bits() == 0,
            _ => self.is_zero(),
        }
    }

    #[inline]
    pub(super) fn bits(self) -> u64 {
        match self {
            Self::Bits(bits) => bits,
            Self::Bytes(_) => 0,
        }
    }

    #[inline]
    pub(super) fn low_bits(self) -> u32 {
        low(self.bits())
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bits(_) => &[],
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl Writer<'_> {
    /// Writes a scalar of a field's type.
    #[inline]
    pub(super) fn scalar(&mut self, field: &FieldTable, scalar: Scalar<'_>) -> Result<()> {
        let out = &mut self.layout.out;
        match field.kind {
            Type::String => return self.string(field, scalar.bytes()),
            Type::Int32 | Type::Sfixed32 => text::put_integer(scalar.low_bits().cast_signed(), out),
            Type::Sint32 => text::put_integer(unzigzag(u64::from(scalar.low_bits())), out),
            Type::Uint32 | Type::Fixed32 => text::put_integer(scalar.low_bits(), out),
            Type::Int64 | Type::Sfixed64 => self.quoted(scalar.bits().cast_signed()),
            Type::Sint64 => self.quoted(unzigzag(scalar.bits())),
            Type::Uint64 | Type::Fixed64 => self.quoted(scalar.bits()),
            Type::Bool => self.layout.raw(if scalar.is_zero() { b"false" } else { b"true" }),
            Type::Double => self.double(f64::from_bits(scalar.bits())),
            Type::Float => {
                let value = f32::from_bits(scalar.low_bits());
                match nonfinite(f64::from(value)) {
                    Some(name) => self.layout.raw(name),
                    None => text::put_finite(value, out),
                }
            }
            Type::Bytes => {
                out.push(b'"');
                text::put_base64(scalar.bytes(), out);
                out.push(b'"');
            }
            Type::Enum(id) => {
                let number = scalar.low_bits().cast_signed();
                let found = self.tables.enumeration(id);
                let name = if self.options.enums_as_ints { None } else { found.quoted_name(number) };
                match name {
                    _ if found.is_null => self.layout.raw(b"null"),
                    Some(name) => self.layout.raw(name),
                    None => text::put_integer(number, out),
                }
            }
            // Nobody asks for a message here.
            Type::Message(_) | Type::Group(_) => self.layout.raw(b"{}"),
        }
        Ok(())
    }

    #[inline]
    fn string(&mut self, field: &FieldTable, bytes: &[u8]) -> Result<()> {
        let text = str::from_utf8(bytes)
            .map_err(|_| WriteError::new(format!("the string {} is no UTF-8", field.full_name)))?;
        text::put_string(text, &mut self.layout.out);
        Ok(())
    }

    pub(super) fn double(&mut self, value: f64) {
        match nonfinite(value) {
            Some(name) => self.layout.raw(name),
            None => text::put_finite(value, &mut self.layout.out),
        }
    }

    pub(super) fn quoted(&mut self, value: impl itoa::Integer) {
        self.layout.out.push(b'"');
        text::put_integer(value, &mut self.layout.out);
        self.layout.out.push(b'"');
    }
}

#[inline]
fn nonfinite(value: f64) -> Option<&'static [u8]> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some(b"\"NaN\"")
    } else if value > 0.0 {
        Some(b"\"Infinity\"")
    } else {
        Some(b"\"-Infinity\"")
    }
}
