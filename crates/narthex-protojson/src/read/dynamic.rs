//! google.protobuf.Value, Struct and `ListValue`: any JSON.

use super::Reader;
use super::failure::{Failure, Result, Step};
use super::scan::Raw;
use crate::wire::{self, WireType, put_bytes, put_tag, put_varint};

impl<'t> Reader<'t> {
    /// Writes the contents of a google.protobuf.Value: one member of its oneof.
    pub(super) fn dynamic(&mut self) -> Result<()> {
        match self.scan.peek() {
            Some(b'n') => {
                self.scan.literal("null")?;
                self.put_kind(1, 0);
            }
            Some(b't') => {
                self.scan.literal("true")?;
                self.put_kind(4, 1);
            }
            Some(b'f') => {
                self.scan.literal("false")?;
                self.put_kind(4, 0);
            }
            Some(b'"') => {
                put_tag(&mut self.out, 3, WireType::Len);
                self.put_raw_string()?;
            }
            Some(b'{') => self.nested(5, Self::struct_members)?,
            Some(b'[') => self.nested(6, Self::list_elements)?,
            Some(b'-' | b'0'..=b'9') => self.number_kind()?,
            _ => return Err(self.scan.unexpected("a value")),
        }
        Ok(())
    }

    /// Writes the contents of a google.protobuf.Struct.
    pub(super) fn struct_members(&mut self) -> Result<()> {
        self.items(b'{', b'}', |reader| {
            reader.nested(1, |reader| {
                put_tag(&mut reader.out, 1, WireType::Len);
                let name = reader.put_raw_string()?;
                reader.scan.expect(b':')?;
                reader
                    .nested(2, Self::dynamic)
                    .map_err(|failure| failure.within(Step::found(&name.decoded().unwrap_or_default())))
            })
        })
    }

    /// Writes the contents of a google.protobuf.ListValue.
    pub(super) fn list_elements(&mut self) -> Result<()> {
        let mut index = 0;
        self.items(b'[', b']', |reader| {
            reader.nested(1, Self::dynamic).map_err(|failure| failure.within(Step::Index(index)))?;
            index += 1;
            Ok(())
        })
    }

    fn put_kind(&mut self, number: u32, value: u64) {
        put_tag(&mut self.out, number, WireType::Varint);
        put_varint(&mut self.out, value);
    }

    fn number_kind(&mut self) -> Result<()> {
        let at = self.scan.position();
        let number = self.scan.number()?;
        let value = number.real();
        if !value.is_finite() {
            return Err(Failure::new(at, format!("{} does not fit double", number.shown())));
        }
        put_tag(&mut self.out, 2, WireType::Fixed64);
        self.out.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    /// Writes a message field of this number.
    fn nested(&mut self, number: u32, fill: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.descend()?;
        put_tag(&mut self.out, number, WireType::Len);
        let start = wire::open_len(&mut self.out);
        fill(self)?;
        wire::close_len(&mut self.out, start);
        self.depth -= 1;
        Ok(())
    }

    /// Writes a string with its length.
    fn put_raw_string(&mut self) -> Result<Raw<'t>> {
        let raw = self.scan.string()?;
        if raw.escaped {
            wire::put_with_len(&mut self.out, |out| raw.decode_into(out))?;
        } else {
            put_bytes(&mut self.out, raw.text.as_bytes());
        }
        Ok(raw)
    }
}
