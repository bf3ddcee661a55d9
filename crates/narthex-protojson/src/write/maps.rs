//! Maps: entries with a key and a value, each of which may be missing on the wire.

use super::runs::{Group, Pieces};
use super::scalar::Scalar;
use super::{Result, Writer, malformed};
use crate::error::WriteError;
use crate::table::{FieldTable, MessageTable, Type};
use crate::text;
use crate::wire::{Cursor, Payload, Span, unzigzag};

/// Keys in the order in which they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Flag(bool),
    Signed(i64),
    Unsigned(u64),
    Text(&'a str),
}

struct Entry<'a> {
    key: Key<'a>,
    /// The last value; a scalar that is missing is at its default.
    value: Option<Payload>,
    /// The whole entry, if its value came in several pieces.
    scattered: Option<Span>,
}

/// The type of a map's entries.
struct EntryType<'a> {
    message: &'a MessageTable,
    key: &'a FieldTable,
    value: &'a FieldTable,
}

impl<'a> Writer<'a> {
    pub(super) fn map(&mut self, group: Group<'a>) -> Result<()> {
        let Some(types) = self.entry_type(group.field) else {
            return Err(WriteError::new(format!("the map {} has no entry type", group.field.full_name)));
        };
        let entries = self.entries(group, &types)?;
        self.layout.open(b'{');
        for (index, entry) in entries.iter().enumerate() {
            // Of entries with the same key the last counts.
            if entries.get(index + 1).is_some_and(|next| next.key == entry.key) {
                continue;
            }
            self.layout.item();
            match entry.key {
                Key::Flag(key) => self.layout.raw(if key { b"\"true\"" } else { b"\"false\"" }),
                Key::Signed(key) => self.quoted(key),
                Key::Unsigned(key) => self.quoted(key),
                Key::Text(key) => text::put_string(key, &mut self.layout.out),
            }
            self.layout.raw(b":");
            self.layout.after_colon();
            self.nested(|writer| writer.entry_value(&types, entry))?;
        }
        self.layout.close(b'}');
        Ok(())
    }

    fn entry_type(&self, field: &FieldTable) -> Option<EntryType<'a>> {
        let message = self.tables.message(field.kind.message()?);
        Some(EntryType { message, key: message.field(1)?, value: message.field(2)? })
    }

    fn entries(&self, group: Group<'_>, types: &EntryType<'_>) -> Result<Vec<Entry<'a>>> {
        let mut entries = Vec::new();
        for run in group.runs() {
            let mut cursor = self.cursor(run);
            while let Ok(Some((_, Payload::Len(span) | Payload::Group(span)))) = cursor.next() {
                entries.extend(self.entry(span, types)?);
            }
        }
        if !entries.is_sorted_by_key(|entry: &Entry<'_>| entry.key) {
            entries.sort_by_key(|entry| entry.key);
        }
        Ok(entries)
    }

    /// An entry; `None` if its value is a number that its enum does not declare.
    fn entry(&self, span: Span, types: &EntryType<'_>) -> Result<Option<Entry<'a>>> {
        let mut key = Scalar::ZERO;
        let mut value = None;
        let mut scattered = None;
        let mut cursor = Cursor::new(self.wire, span);
        while let Some((number, payload)) = cursor.next().map_err(|why| malformed(types.message, why))? {
            if number == 1 && types.key.takes(&payload) {
                key = Scalar::of(payload, self.wire);
            } else if number == 2 && types.value.takes(&payload) {
                scattered = value.is_some().then_some(span);
                value = Some(payload);
            }
        }
        if let Some(Payload::Varint(bits)) = value
            && self.tables.is_undeclared(types.value.kind, bits)
        {
            return Ok(None);
        }
        Ok(Some(Entry { key: map_key(types.key, key)?, value, scattered }))
    }

    fn entry_value(&mut self, types: &EntryType<'a>, entry: &Entry<'_>) -> Result<()> {
        let (Type::Message(id) | Type::Group(id)) = types.value.kind else {
            return match entry.value {
                Some(payload) => self.scalar(types.value, Scalar::of(payload, self.wire)),
                None => self.unset(types.value),
            };
        };
        let pieces = match (entry.value, entry.scattered) {
            (Some(Payload::Len(span) | Payload::Group(span)), None) => Pieces::One(span),
            (_, whole) => {
                Pieces::Many(whole.map(|entry| self.values_in(entry, types.value)).unwrap_or_default())
            }
        };
        let message = self.tables.message(id);
        self.nested(|writer| writer.message(message, pieces.as_slice()))
    }

    /// All values of an entry.
    fn values_in(&self, entry: Span, value: &FieldTable) -> Vec<Span> {
        let mut pieces = Vec::new();
        let mut cursor = Cursor::new(self.wire, entry);
        while let Ok(Some((number, payload))) = cursor.next() {
            if let (true, Payload::Len(span) | Payload::Group(span)) = (number == value.number, payload) {
                pieces.push(span);
            }
        }
        pieces
    }
}

fn map_key<'a>(field: &FieldTable, key: Scalar<'a>) -> Result<Key<'a>> {
    Ok(match field.kind {
        Type::String => Key::Text(
            str::from_utf8(key.bytes())
                .map_err(|_| WriteError::new(format!("the string {} is no UTF-8", field.full_name)))?,
        ),
        Type::Bool => Key::Flag(!key.is_zero()),
        Type::Int32 | Type::Sfixed32 => Key::Signed(i64::from(key.low_bits().cast_signed())),
        Type::Sint32 => Key::Signed(unzigzag(u64::from(key.low_bits()))),
        Type::Int64 | Type::Sfixed64 => Key::Signed(key.bits().cast_signed()),
        Type::Sint64 => Key::Signed(unzigzag(key.bits())),
        Type::Uint32 => Key::Unsigned(u64::from(key.low_bits())),
        _ => Key::Unsigned(key.bits()),
    })
}
