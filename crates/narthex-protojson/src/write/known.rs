//! The well-known types that are not written as objects of their fields.

use super::runs::Pieces;
use super::scalar::Scalar;
use super::{Result, Writer, malformed};
use crate::error::WriteError;
use crate::read::MAX_NESTING;
use crate::table::MessageTable;
use crate::text;
use crate::wire::{Cursor, Payload, Span, TOO_DEEP, low};
use crate::wkt::{self, WellKnown};

impl<'a> Writer<'a> {
    pub(super) fn known(
        &mut self,
        known: WellKnown,
        message: &'a MessageTable,
        pieces: &[Span],
    ) -> Result<()> {
        match known {
            WellKnown::Any => self.any(message, pieces),
            WellKnown::Timestamp => {
                let (seconds, nanos) = self.seconds_nanos(message, pieces)?;
                let written = wkt::put_timestamp(seconds, nanos, &mut self.layout.out);
                written.ok_or_else(|| WriteError::new("a Timestamp is out of the years 1 to 9999"))
            }
            WellKnown::Duration => {
                let (seconds, nanos) = self.seconds_nanos(message, pieces)?;
                let written = wkt::put_duration(seconds, nanos, &mut self.layout.out);
                written.ok_or_else(|| WriteError::new("a Duration is out of range"))
            }
            WellKnown::FieldMask => self.field_mask(message, pieces),
            WellKnown::Struct | WellKnown::ListValue => self.only_field(message, pieces),
            WellKnown::Value => self.dynamic(message, pieces),
            WellKnown::Wrapper => {
                let field = message.field(1).ok_or_else(|| WriteError::new("a wrapper without a value"))?;
                let mut value = None;
                self.for_each_payload(message, pieces, |number, payload| {
                    if number == 1 && field.takes(&payload) {
                        value = Some(payload);
                    }
                })?;
                match value {
                    Some(payload) => self.scalar(field, Scalar::of(payload, self.wire)),
                    None => self.unset(field),
                }
            }
        }
    }

    fn for_each_payload(
        &self,
        message: &MessageTable,
        pieces: &[Span],
        mut see: impl FnMut(u32, Payload),
    ) -> Result<()> {
        for piece in pieces {
            let mut cursor = Cursor::new(self.wire, *piece);
            while let Some((number, payload)) = cursor.next().map_err(|why| malformed(message, why))? {
                see(number, payload);
            }
        }
        Ok(())
    }

    fn seconds_nanos(&self, message: &MessageTable, pieces: &[Span]) -> Result<(i64, i32)> {
        let (mut seconds, mut nanos) = (0, 0);
        self.for_each_payload(message, pieces, |number, payload| match (number, payload) {
            (1, Payload::Varint(bits)) => seconds = bits.cast_signed(),
            (2, Payload::Varint(bits)) => nanos = low(bits).cast_signed(),
            _ => {}
        })?;
        Ok((seconds, nanos))
    }

    fn any(&mut self, message: &MessageTable, pieces: &[Span]) -> Result<()> {
        let (mut url, mut value) = (None, None);
        self.for_each_payload(message, pieces, |number, payload| match (number, payload) {
            (1, Payload::Len(span)) => url = Some(span),
            (2, Payload::Len(span)) => value = Some(span),
            _ => {}
        })?;
        let url = url.map_or(&[][..], |span| span.bytes(self.wire));
        let url = str::from_utf8(url).map_err(|_| WriteError::new("the type of an Any is no UTF-8"))?;
        if url.is_empty() && value.is_none_or(Span::is_empty) {
            self.layout.raw(b"{}");
            return Ok(());
        }
        let name = url.rsplit_once('/').map(|(_, name)| name);
        let inner = name.and_then(|name| self.tables.find(name)).ok_or_else(|| {
            let url = text::quoted(url);
            WriteError::new(format!(
                "the type {url} of an Any is not known to this server; import the module that declares it"
            ))
        })?;
        let inner = self.tables.message(inner);
        self.layout.open(b'{');
        self.layout.key(b"\"@type\":");
        text::put_string(url, &mut self.layout.out);
        self.unnested(|writer| {
            let pieces = value.map_or(Pieces::Many(Vec::new()), Pieces::One);
            if inner.known.is_none() {
                return writer.members(inner, pieces.as_slice());
            }
            writer.layout.key(b"\"value\":");
            writer.message(inner, pieces.as_slice())
        })?;
        self.layout.close(b'}');
        Ok(())
    }

    /// Writes what parsers get as bytes and parse anew: its depth counts from its own top.
    fn unnested(&mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.nesting == MAX_NESTING {
            return Err(WriteError::new(TOO_DEEP));
        }
        self.nesting += 1;
        let outer = std::mem::replace(&mut self.depth, 0);
        write(self)?;
        self.depth = outer;
        self.nesting -= 1;
        Ok(())
    }

    fn field_mask(&mut self, message: &MessageTable, pieces: &[Span]) -> Result<()> {
        let mut paths = Vec::new();
        self.for_each_payload(message, pieces, |number, payload| {
            if let (1, Payload::Len(span)) = (number, payload) {
                paths.push(span);
            }
        })?;
        let mut joined = String::new();
        for path in paths {
            let path = str::from_utf8(path.bytes(self.wire))
                .map_err(|_| WriteError::new("a path of a FieldMask is no UTF-8"))?;
            let json = wkt::mask_path_to_json(path).ok_or_else(|| {
                let path = text::quoted(path);
                WriteError::new(format!("the path {path} of a FieldMask has no camel-case form"))
            })?;
            // A path of nothing is none, as where it is read.
            if !joined.is_empty() && !json.is_empty() {
                joined.push(',');
            }
            joined.push_str(&json);
        }
        text::put_string(&joined, &mut self.layout.out);
        Ok(())
    }

    /// A Struct is written as the map that is its only field, a `ListValue` as its list.
    fn only_field(&mut self, message: &'a MessageTable, pieces: &[Span]) -> Result<()> {
        let mut written = false;
        self.for_each_field(message, pieces, |writer, group| {
            if std::mem::replace(&mut written, true) { Ok(()) } else { writer.values(group) }
        })?;
        if !written {
            let is_struct = message.known == Some(WellKnown::Struct);
            self.layout.raw(if is_struct { b"{}" } else { b"[]" });
        }
        Ok(())
    }

    /// A google.protobuf.Value; one without a kind is written as null.
    fn dynamic(&mut self, message: &'a MessageTable, pieces: &[Span]) -> Result<()> {
        let mut written = false;
        self.for_each_field(message, pieces, |writer, group| {
            written = true;
            match group.field.number {
                1 => writer.layout.raw(b"null"),
                2 => {
                    let bits =
                        writer.last(group).map_or(0, |payload| Scalar::of(payload, writer.wire).bits());
                    let value = f64::from_bits(bits);
                    if !value.is_finite() {
                        let message = "a google.protobuf.Value holds a number that is not finite";
                        return Err(WriteError::new(message));
                    }
                    writer.double(value);
                }
                _ => return writer.values(group),
            }
            Ok(())
        })?;
        if !written {
            self.layout.raw(b"null");
        }
        Ok(())
    }
}
