//! The members of a JSON object as the fields of a message; lists and maps.

use super::Reader;
use super::failure::{Failure, Result, Step};
use super::value::Null;
use crate::bits::BitSet;
use crate::scalar::Slot;
use crate::table::{FieldTable, MessageTable, Shape, Type};
use crate::wire::{self, WireType};

impl<'t> Reader<'t> {
    /// Writes the contents of a message from a JSON object.
    pub(super) fn members(&mut self, message: &'t MessageTable) -> Result<()> {
        let mut seen = Seen::of(message);
        self.items(b'{', b'}', |reader| {
            reader.scan.peek();
            let at = reader.scan.position();
            if let Some(field) = reader.guessed(message, seen.guess) {
                return reader.member(message, field, seen.guess, at, &mut seen);
            }
            match reader.member_name(message)? {
                Name::Field(index) => reader.member(message, &message.fields[index], index, at, &mut seen),
                Name::Unknown(name) => reader.unknown(message, &name, at),
            }
        })
    }

    /// Passes the name of the field that is guessed to come next, with the colon behind it, if it does.
    #[inline]
    pub(super) fn guessed(&mut self, message: &'t MessageTable, guess: usize) -> Option<&'t FieldTable> {
        let field = message.fields.get(guess)?;
        self.scan.advance(field.named_by(self.scan.rest())?);
        Some(field)
    }

    /// Reads the name of a member, with the colon behind it.
    pub(super) fn member_name(&mut self, message: &'t MessageTable) -> Result<Name> {
        let name = self.scan.string()?.decoded()?;
        let found = match message.index_of_name(&name) {
            Some(index) => Name::Field(index),
            None => Name::Unknown(name.into_owned()),
        };
        self.scan.expect(b':')?;
        Ok(found)
    }

    /// Reads the value of a field of the message, that at `index`, whose name starts at `at`.
    #[inline]
    pub(super) fn member(
        &mut self,
        message: &'t MessageTable,
        field: &'t FieldTable,
        index: usize,
        at: usize,
        seen: &mut Seen,
    ) -> Result<()> {
        let within = |failure: Failure| failure.within(Step::Name(field.json_name.to_string()));
        if !seen.fields.insert(index) {
            return Err(within(Failure::new(at, "it is given twice")));
        }
        seen.came(message, field, index);
        let set = self.field(field).map_err(within)?;
        if let Some(oneof) = field.oneof
            && set
            && !seen.oneofs.insert(usize::from(oneof))
        {
            let name = message.oneof_name(oneof);
            return Err(Failure::new(at, format!("more than one field of oneof {name} is set")));
        }
        Ok(())
    }

    /// A member nobody knows: passed over, or refused.
    pub(super) fn unknown(&mut self, message: &MessageTable, name: &str, at: usize) -> Result<()> {
        if self.options().ignore_unknown {
            let skipped = self.scan.skip(self.nesting);
            return skipped.map_err(|failure| failure.within(Step::found(name)));
        }
        let name = crate::text::quoted(name);
        Err(Failure::new(at, format!("{} has no field {name}", message.full_name)))
    }

    /// Reads the value of a field; says whether the field is set by it.
    #[inline]
    pub(super) fn field(&mut self, field: &'t FieldTable) -> Result<bool> {
        if field.shape == Shape::One {
            return self.value(field.kind, field.slot, Null::Unset);
        }
        match (self.scan.peek(), field.shape) {
            (Some(b'n'), _) => return self.scan.literal("null").map(|()| false),
            (Some(b'['), Shape::List { packed: true }) => self.packed_list(field)?,
            (Some(b'['), Shape::List { packed: false }) => self.elements(field.kind, field.slot)?,
            (Some(b'{'), Shape::Map) => self.map(field)?,
            _ => {
                let wanted = field.described(self.tables().name(field.kind));
                return Err(self.mismatch(&wanted));
            }
        }
        Ok(true)
    }

    fn packed_list(&mut self, field: &FieldTable) -> Result<()> {
        let before = self.out.len();
        wire::put_tag(&mut self.out, field.number, WireType::Len);
        let start = wire::open_len(&mut self.out);
        self.elements(field.kind, Slot::BARE)?;
        if self.out.len() == start {
            self.out.truncate(before);
        } else {
            wire::close_len(&mut self.out, start);
        }
        Ok(())
    }

    fn elements(&mut self, kind: Type, slot: Slot) -> Result<()> {
        let mut index = 0;
        self.items(b'[', b']', |reader| {
            reader.value(kind, slot, Null::Refused).map_err(|failure| failure.within(Step::Index(index)))?;
            index += 1;
            Ok(())
        })
    }

    fn map(&mut self, field: &'t FieldTable) -> Result<()> {
        let entry = field.kind.message().map(|id| self.tables().message(id));
        let (Some(key), Some(value)) =
            (entry.and_then(|entry| entry.field(1)), entry.and_then(|entry| entry.field(2)))
        else {
            return Err(self.failure("the map's type has no key or no value"));
        };
        self.items(b'{', b'}', |reader| {
            let before = reader.out.len();
            reader.scan.peek();
            let at = reader.scan.position();
            let name = reader.scan.string()?.decoded()?;
            let within = |failure: Failure| failure.within(Step::Key(name.clone().into_owned()));
            reader.scan.expect(b':')?;
            reader.descend().map_err(within)?;
            field.slot.put_tag(&mut reader.out);
            let start = wire::open_len(&mut reader.out);
            reader.map_key(key, &name).map_err(|message| within(Failure::new(at, message)))?;
            let written = reader.value(value.kind, value.slot.always(), Null::Refused).map_err(within)?;
            if written {
                wire::close_len(&mut reader.out, start);
            } else {
                reader.out.truncate(before);
            }
            reader.depth -= 1;
            Ok(())
        })
    }

    /// A map key; numbers are plain integers here, without fraction or exponent.
    fn map_key(&mut self, key: &FieldTable, name: &str) -> std::result::Result<(), String> {
        let plain = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if !plain && !matches!(key.kind, Type::String | Type::Bool) {
            return Err(format!("{} is no {}", crate::text::quoted(name), self.tables().name(key.kind)));
        }
        self.text.put(key.kind, key.slot.always(), name, &mut self.out)
    }
}

/// What the name of a member means.
pub(super) enum Name {
    /// The field at this index.
    Field(usize),
    /// No field.
    Unknown(String),
}

/// What has been read of a message.
pub(super) struct Seen {
    fields: BitSet,
    oneofs: BitSet,
    last: Option<usize>,
    /// The field that probably comes next.
    pub(super) guess: usize,
}

impl Seen {
    pub(super) fn of(message: &MessageTable) -> Self {
        let (fields, oneofs) = Default::default();
        Self { fields, oneofs, last: None, guess: message.first.guess() }
    }

    /// Takes note of which field came.
    #[inline]
    fn came(&mut self, message: &MessageTable, field: &FieldTable, index: usize) {
        if index != self.guess {
            self.last.map_or(&message.first, |last| &message.fields[last].next).learn(index);
        }
        self.last = Some(index);
        self.guess = field.next.guess();
    }
}
