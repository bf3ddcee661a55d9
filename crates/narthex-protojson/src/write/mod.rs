//! Protobuf wire to ProtoJSON text.
//!
//! Fields may come on the wire in pieces and in any order; JSON wants each once. So each message is gone through twice: a
//! look at its tags alone says where the values of each field are ([`runs`]), then they are printed. No tree is built and
//! no value is copied. Fields are printed by number and map entries by key, so the same message always gives the same text.

mod known;
mod layout;
mod maps;
mod runs;
mod scalar;

use std::cell::Cell;

use crate::error::WriteError;
use crate::handle::{Field, Message};
use crate::read::MAX_NESTING;
use crate::table::{FieldTable, MessageTable, Shape, Tables, Type};
use crate::wire::{Cursor, MAX_DEPTH, Malformed, Payload, Span, TOO_DEEP};
use layout::Layout;
use runs::{Group, Run};
use scalar::Scalar;

/// How JSON is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct WriteOptions {
    /// Name fields as the proto file does, instead of in camel case.
    pub proto_names: bool,
    /// Print enum values as numbers instead of names.
    pub enums_as_ints: bool,
    /// Print fields that have no presence also when they are at their default.
    pub always_print: bool,
    /// Put each member and element on a line of its own, indented by a space for each level.
    pub whitespace: bool,
}

type Result<T> = std::result::Result<T, WriteError>;

thread_local! {
    /// The last writer's, emptied: a small message takes less time to write than an allocation and its growth.
    static RUNS: Cell<Vec<Run>> = const { Cell::new(Vec::new()) };
}

/// What a message of very many fields needed is given back.
const MOST_RUNS_KEPT: usize = 1024;

/// Appends the JSON form of a message given in its wire form.
///
/// # Errors
///
/// If the bytes are not wire of `message`, or it holds something JSON has no form for: an Any of a type that is not in
/// the pool, a Timestamp or Duration out of range, a Value that is not finite. `out` is then as it was.
pub fn wire_to_json(message: &Message, wire: &[u8], options: &WriteOptions, out: &mut Vec<u8>) -> Result<()> {
    let table = message.table();
    run(message.tables(), table, wire, *options, out, |writer, all| writer.message(table, &[all]))
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
) -> Result<()> {
    let parent = field.parent_table();
    let table = field.table();
    run(field.tables(), parent, wire, *options, out, |writer, all| {
        let mut written = false;
        writer.for_each_field(parent, &[all], |writer, group| {
            let is_it = std::ptr::eq(group.field, table);
            written |= is_it;
            if is_it { writer.values(group) } else { Ok(()) }
        })?;
        if written { Ok(()) } else { writer.unset(table) }
    })
}

fn run<'a>(
    tables: &'a Tables,
    message: &MessageTable,
    wire: &'a [u8],
    options: WriteOptions,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Writer<'a>, Span) -> Result<()>,
) -> Result<()> {
    let all = Span::of(wire).ok_or_else(|| malformed(message, Malformed("they are more than 2 GiB")))?;
    let before = out.len();
    // The buffer is the writer's as long as it writes: one indirection less for each byte written.
    let mut writer = Writer {
        tables,
        options,
        wire,
        layout: Layout::new(std::mem::take(out), options.whitespace),
        runs: RUNS.take(),
        depth: 0,
        nesting: 0,
    };
    // Mostly enough: of a small message the names are longer than what it says; what is long grows as it goes.
    writer.layout.out.reserve(wire.len().min(4096) * 2 + 128);
    let result = write(&mut writer, all);
    *out = writer.layout.out;
    if writer.runs.capacity() <= MOST_RUNS_KEPT {
        writer.runs.clear();
        RUNS.set(writer.runs);
    }
    result.inspect_err(|_| out.truncate(before))
}

fn malformed(message: &MessageTable, Malformed(why): Malformed) -> WriteError {
    WriteError::new(format!("these bytes are no {}: {why}", message.full_name))
}

/// Writes one text.
struct Writer<'a> {
    tables: &'a Tables,
    options: WriteOptions,
    wire: &'a [u8],
    layout: Layout,
    /// Those of the message being written, after those of the messages around it.
    runs: Vec<Run>,
    /// How many messages the one being written is nested in, from the top or from the Any around it.
    depth: usize,
    /// The same from the top.
    nesting: usize,
}

impl<'a> Writer<'a> {
    /// Writes a message whose wire is in these pieces.
    fn message(&mut self, message: &'a MessageTable, pieces: &[Span]) -> Result<()> {
        match message.known {
            None => {
                self.layout.open(b'{');
                self.members(message, pieces)?;
                self.layout.close(b'}');
                Ok(())
            }
            Some(known) => self.known(known, message, pieces),
        }
    }

    /// Writes a message that is nested in the one being written.
    fn nested(&mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth == MAX_DEPTH || self.nesting == MAX_NESTING {
            return Err(WriteError::new(TOO_DEEP));
        }
        self.depth += 1;
        self.nesting += 1;
        write(self)?;
        self.depth -= 1;
        self.nesting -= 1;
        Ok(())
    }

    /// The members of an object, whose brace is open.
    fn members(&mut self, message: &'a MessageTable, pieces: &[Span]) -> Result<()> {
        if !self.options.always_print {
            return self.for_each_field(message, pieces, Self::member);
        }
        let mut next = 0;
        self.for_each_field(message, pieces, |writer, group| {
            writer.defaults(message, std::mem::replace(&mut next, group.index + 1), group.index)?;
            writer.member(group)
        })?;
        self.defaults(message, next, message.fields.len())
    }

    /// A field with what it has on the wire.
    #[inline]
    fn member(&mut self, group: Group<'a>) -> Result<()> {
        let field = group.field;
        if field.shape == Shape::One && field.kind.message().is_none() {
            let Some(payload) = self.last(group) else { return Ok(()) };
            let scalar = Scalar::of(payload, self.wire);
            if !field.presence && scalar.is_zero_of(field.kind) && !self.options.always_print {
                return Ok(());
            }
            self.key(field);
            return self.scalar(field, scalar);
        }
        self.key(field);
        self.values(group)
    }

    /// The fields without presence among these, which are not set.
    fn defaults(&mut self, message: &'a MessageTable, from: usize, to: usize) -> Result<()> {
        let to = to.min(message.declared().len());
        for field in message.fields.get(from..to).unwrap_or_default() {
            if !field.presence {
                self.key(field);
                self.unset(field)?;
            }
        }
        Ok(())
    }

    /// The value of a field that is not set.
    fn unset(&mut self, field: &'a FieldTable) -> Result<()> {
        match (field.shape, &field.default) {
            (Shape::List { .. }, _) => self.layout.raw(b"[]"),
            (Shape::Map, _) => self.layout.raw(b"{}"),
            (Shape::One, Some(default)) => return self.scalar(field, Scalar::of_default(default)),
            (Shape::One, None) => {
                let known = field.well_known(self.tables);
                self.layout.raw(if known.is_some() { b"null" } else { b"{}" });
            }
        }
        Ok(())
    }

    #[inline]
    fn key(&mut self, field: &FieldTable) {
        self.layout.key(if self.options.proto_names { &field.proto_key } else { &field.json_key });
    }

    /// The value of a field, or its list, or its map.
    fn values(&mut self, group: Group<'a>) -> Result<()> {
        let field = group.field;
        match (field.shape, field.kind) {
            (Shape::Map, _) => self.map(group),
            (Shape::List { .. }, _) => self.list(group),
            (Shape::One, Type::Message(id) | Type::Group(id)) => {
                let message = self.tables.message(id);
                let pieces = self.pieces(group);
                self.nested(|writer| writer.message(message, pieces.as_slice()))
            }
            (Shape::One, _) => match self.last(group) {
                Some(payload) => self.scalar(field, Scalar::of(payload, self.wire)),
                None => self.unset(field),
            },
        }
    }

    fn list(&mut self, group: Group<'a>) -> Result<()> {
        let field = group.field;
        self.layout.open(b'[');
        for run in group.runs() {
            let mut cursor = self.cursor(run);
            while let Ok(Some((_, payload))) = cursor.next() {
                self.element(field, payload)?;
            }
        }
        self.layout.close(b']');
        Ok(())
    }

    #[inline]
    fn element(&mut self, field: &'a FieldTable, payload: Payload) -> Result<()> {
        match (payload, field.kind) {
            (Payload::Len(span) | Payload::Group(span), Type::Message(id) | Type::Group(id)) => {
                self.layout.item();
                let message = self.tables.message(id);
                self.nested(|writer| writer.message(message, &[span]))
            }
            (Payload::Len(span), _) if field.may_be_packed() => self.packed(field, span),
            _ => {
                self.layout.item();
                self.scalar(field, Scalar::of(payload, self.wire))
            }
        }
    }

    fn packed(&mut self, field: &'a FieldTable, span: Span) -> Result<()> {
        let mut cursor = Cursor::new(self.wire, span);
        while !cursor.is_at_end() {
            let scalar = Scalar::packed(field.kind, &mut cursor).map_err(|Malformed(why)| {
                WriteError::new(format!("these bytes are no list of {}: {why}", field.full_name))
            })?;
            if self.tables.is_undeclared(field.kind, scalar.bits()) {
                continue;
            }
            self.layout.item();
            self.scalar(field, scalar)?;
        }
        Ok(())
    }
}
