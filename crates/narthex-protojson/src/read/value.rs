//! One JSON value that is no list and no map: scalars, enums, and which messages are read how.

use super::failure::{Failure, Result};
use super::{ReadOptions, Reader, scan};
use crate::scalar::{Slot, no_value};
use crate::table::{EnumId, MessageId, Type};
use crate::text;
use crate::wkt::WellKnown;

/// What a JSON `null` means where a value is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Null {
    /// The field is not set.
    Unset,
    /// It is no value (an element of a list, a value of a map, the message itself).
    Refused,
}

impl Reader<'_> {
    /// Reads one value; says whether it wrote something.
    #[inline]
    pub(super) fn value(&mut self, kind: Type, slot: Slot, null: Null) -> Result<bool> {
        let first = self.scan.peek();
        if first == Some(b'n') {
            return self.null(kind, slot, null);
        }
        match (kind, first) {
            (Type::String, Some(b'"')) => self.string(slot)?,
            (Type::Bool, Some(b't')) => {
                self.scan.literal("true")?;
                slot.bool(true, &mut self.out);
            }
            (Type::Bool, Some(b'f')) => {
                self.scan.literal("false")?;
                slot.bool(false, &mut self.out);
            }
            (Type::Message(id) | Type::Group(id), Some(_)) => self.message_value(kind, id, slot)?,
            (Type::Enum(id), Some(b'"')) => return self.enum_name(id, slot),
            (Type::String | Type::Bool, _) => return Err(self.mismatch(self.tables().name(kind))),
            (Type::Float | Type::Double | Type::Bytes, Some(b'"')) => self.text_value(kind, slot)?,
            (_, Some(b'"')) => self.quoted_integer(kind, slot)?,
            (Type::Float | Type::Double, Some(b'-' | b'0'..=b'9')) => self.real(kind, slot)?,
            (Type::Bytes, _) => return Err(self.mismatch(self.tables().name(kind))),
            (_, Some(b'-' | b'0'..=b'9')) => self.integer(kind, slot)?,
            _ => return Err(self.mismatch(self.tables().name(kind))),
        }
        Ok(true)
    }

    /// The value that is next is none of what was wanted.
    #[cold]
    pub(super) fn mismatch(&mut self, wanted: &str) -> Failure {
        let found = match self.scan.peek() {
            Some(b'"') => "a string",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b'[') => "a list",
            Some(b'{') => "an object",
            Some(b't') => "true",
            Some(b'f') => "false",
            Some(b'n') => "null",
            _ => return self.scan.unexpected("a value"),
        };
        self.failure(format!("{found} is no {wanted}"))
    }

    fn null(&mut self, kind: Type, slot: Slot, null: Null) -> Result<bool> {
        match kind {
            Type::Enum(id) if self.tables().enumeration(id).is_null => {
                self.scan.literal("null")?;
                slot.enum_number(0, &mut self.out);
                Ok(true)
            }
            Type::Message(id) if self.tables().message(id).known == Some(WellKnown::Value) => {
                self.message_value(kind, id, slot).map(|()| true)
            }
            _ if null == Null::Unset => self.scan.literal("null").map(|()| false),
            _ => Err(self.mismatch(self.tables().name(kind))),
        }
    }

    fn string(&mut self, slot: Slot) -> Result<()> {
        if let Some(plain) = self.scan.plain_string() {
            slot.bytes(plain, &mut self.out);
            return Ok(());
        }
        let raw = self.scan.string()?;
        slot.filled(&mut self.out, |out| raw.decode_into(out))
    }

    /// A value whose JSON is a string that says it.
    pub(super) fn text_value(&mut self, kind: Type, slot: Slot) -> Result<()> {
        let at = self.scan.position();
        let raw = self.scan.string()?;
        let text = raw.decoded()?;
        self.text.put(kind, slot, &text, &mut self.out).map_err(|message| Failure::new(at, message))
    }

    fn enum_name(&mut self, id: EnumId, slot: Slot) -> Result<bool> {
        let at = self.scan.position();
        let found = self.tables().enumeration(id);
        if let Some(number) = self.scan.plain_string().and_then(|name| found.number(name)) {
            slot.enum_number(number, &mut self.out);
            return Ok(true);
        }
        self.scan.rewind(at);
        let name = self.scan.string()?.decoded()?;
        let ReadOptions { ignore_unknown, refuse_unknown_enums, .. } = self.options();
        match self.text.enum_number(found, &name) {
            Some(number) => slot.enum_number(number, &mut self.out),
            None if ignore_unknown && !refuse_unknown_enums => return Ok(false),
            None => return Err(Failure::new(at, no_value(found, &name))),
        }
        Ok(true)
    }

    fn quoted_integer(&mut self, kind: Type, slot: Slot) -> Result<()> {
        let at = self.scan.position();
        match self.scan.quoted_integer() {
            None => self.text_value(kind, slot),
            Some(value) if slot.integer(kind, value, &mut self.out) => Ok(()),
            Some(value) => Err(Failure::new(at, self.text.misfit(kind, &value.to_string()))),
        }
    }

    fn integer(&mut self, kind: Type, slot: Slot) -> Result<()> {
        let at = self.scan.position();
        let number = self.scan.number()?;
        let Some(value) = number.integer.or_else(|| text::parse_int(number.text)) else {
            let message = format!("{} is no {}", number.shown(), self.tables().name(kind));
            return Err(Failure::new(at, message));
        };
        if slot.integer(kind, value, &mut self.out) {
            Ok(())
        } else {
            Err(Failure::new(at, self.text.misfit(kind, &number.shown())))
        }
    }

    fn real(&mut self, kind: Type, slot: Slot) -> Result<()> {
        let at = self.scan.position();
        let number = self.scan.number()?;
        let value = number.real();
        if value.is_finite() && slot.real(kind, value, &mut self.out) {
            Ok(())
        } else {
            Err(Failure::new(at, self.text.misfit(kind, &number.shown())))
        }
    }

    fn message_value(&mut self, kind: Type, id: MessageId, slot: Slot) -> Result<()> {
        let message = self.tables().message(id);
        match (message.known, self.scan.peek()) {
            (None, Some(b'{')) => self.message(kind, slot, |reader| reader.members(message)),
            (Some(WellKnown::Value), _) => self.message(kind, slot, Self::dynamic),
            (Some(WellKnown::Struct), Some(b'{')) => self.message(kind, slot, Self::struct_members),
            (Some(WellKnown::ListValue), Some(b'[')) => self.message(kind, slot, Self::list_elements),
            (Some(WellKnown::Any), Some(b'{')) => self.message(kind, slot, Self::any),
            (Some(WellKnown::Timestamp | WellKnown::Duration | WellKnown::FieldMask), Some(b'"')) => {
                // It is written with its length by itself; it only has to be counted.
                let outer = self.depth;
                if !slot.is_bare() {
                    self.descend()?;
                }
                self.text_value(kind, slot)?;
                self.depth = outer;
                Ok(())
            }
            (Some(WellKnown::Wrapper), _) => match message.field(1) {
                Some(inside) => self.message(kind, slot, |reader| {
                    reader.value(inside.kind, inside.slot, Null::Refused).map(drop)
                }),
                None => Err(self.mismatch(&message.full_name)),
            },
            _ => Err(self.mismatch(&message.full_name)),
        }
    }
}

impl scan::Number<'_> {
    /// The nearest double; infinite if it is too large for one.
    #[expect(clippy::cast_precision_loss, reason = "integers below 2^53 are doubles")]
    pub(super) fn real(&self) -> f64 {
        match self.integer {
            Some(value) if value.magnitude < 1 << 53 => {
                let magnitude = value.magnitude as f64;
                if value.negative { -magnitude } else { magnitude }
            }
            // The grammar of JSON's numbers is part of that of Rust's.
            _ => self.text.parse().unwrap_or(f64::INFINITY),
        }
    }

    /// As it is shown in an error: not at any length.
    pub(super) fn shown(&self) -> String {
        match self.text.get(..40) {
            Some(start) => format!("{start}..."),
            None => self.text.to_owned(),
        }
    }
}
