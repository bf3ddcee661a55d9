//! ProtoJSON text to protobuf wire.
//!
//! The text is read once, from front to back, and the wire is written as it is read: there is no tree in between, and
//! nothing is allocated but the wire. Stricter than the specification asks in one place: a member given twice is refused,
//! also when spelled once as the JSON and once as the proto name.
//!
//! Bad input is bounded by its own length: messages nest 100 deep (protobuf's own limit), lists and objects 200; a number
//! is never computed to more digits than its type has; an error quotes at most 80 characters of the text.

mod any;
mod dynamic;
mod failure;
mod members;
mod scan;
mod value;

use crate::error::ReadError;
use crate::handle::{Field, Message};
use crate::scalar::{Slot, TextWriter};
use crate::table::{Tables, Type};
use crate::wire::{self, MAX_DEPTH, TOO_DEEP};
use failure::{Failure, Result, Step};
pub(crate) use scan::MAX_NESTING;
use scan::Scanner;
use value::Null;

/// How JSON is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct ReadOptions {
    /// Leave out members and enum names nobody knows, instead of refusing them.
    pub ignore_unknown: bool,
    /// Refuse enum names nobody knows all the same: a value that is left out becomes the default unnoticed.
    pub refuse_unknown_enums: bool,
    /// Find `COLOUR_DARK_RED` for `colour_dark_red` and `colour-dark-red`, too.
    pub enums_in_any_case: bool,
    /// Take the paths of a `FieldMask` also as the proto file spells them: `given_name` beside `givenName`.
    pub proto_masks: bool,
}

/// Appends the wire form of a message given in its JSON form.
///
/// # Errors
///
/// If the text is not JSON, is not the JSON form of `message`, or nests messages deeper than protobuf's parsers read
/// (100): with line, column, and the path within the message. `out` is then as it was.
pub fn json_to_wire(
    message: &Message,
    json: &[u8],
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> std::result::Result<(), ReadError> {
    run(message.tables(), json, *options, out, |reader| {
        reader.value(Type::Message(message.id()), Slot::BARE, Null::Refused).map(drop)
    })
}

/// Appends wire that sets a field to the value given as JSON.
///
/// `null` and what else means "not set" give no bytes.
///
/// # Errors
///
/// As [`json_to_wire`]; the path begins with the name of the field.
pub fn field_json_to_wire(
    field: &Field,
    json: &[u8],
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> std::result::Result<(), ReadError> {
    let table = field.table();
    run(field.tables(), json, *options, out, |reader| {
        let read = reader.field(table);
        read.map(drop).map_err(|failure| failure.within(Step::Name(table.json_name.to_string())))
    })
}

/// Appends wire that adds one element, given as JSON, to a field that is a list.
///
/// # Errors
///
/// As [`field_json_to_wire`].
pub fn element_json_to_wire(
    field: &Field,
    json: &[u8],
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> std::result::Result<(), ReadError> {
    let table = field.table();
    run(field.tables(), json, *options, out, |reader| {
        let read = reader.value(table.kind, table.slot.always(), Null::Refused);
        read.map(drop).map_err(|failure| failure.within(Step::Name(table.json_name.to_string())))
    })
}

fn run<'t>(
    tables: &'t Tables,
    json: &'t [u8],
    options: ReadOptions,
    out: &mut Vec<u8>,
    read: impl FnOnce(&mut Reader<'t>) -> Result<()>,
) -> std::result::Result<(), ReadError> {
    // Once for the whole text, so that no string has to be looked at again.
    let text = str::from_utf8(json)
        .map_err(|error| Failure::new(error.valid_up_to(), "the text is no UTF-8").in_text(json))?;
    let before = out.len();
    // The buffer is the reader's as long as it reads: one indirection less for each byte written.
    let mut reader = Reader::new(tables, text, options, std::mem::take(out));
    let result = read(&mut reader).and_then(|()| reader.scan.end());
    *out = reader.out;
    result.map_err(|failure| {
        out.truncate(before);
        failure.in_text(json)
    })
}

/// Reads one text.
struct Reader<'t> {
    scan: Scanner<'t>,
    text: TextWriter<'t>,
    out: Vec<u8>,
    /// How many messages the one being written is nested in.
    depth: usize,
    /// How many lists and objects of the text are open.
    nesting: usize,
}

impl<'t> Reader<'t> {
    fn new(tables: &'t Tables, text: &'t str, options: ReadOptions, mut out: Vec<u8>) -> Self {
        // Wire is rarely longer than its JSON, but for what is written in words; what is long grows as it goes, in case most of it
        // is left out.
        out.reserve(text.len().min(4096) + 16);
        Self {
            scan: Scanner::new(text),
            text: TextWriter { tables, options, explicit: false },
            out,
            depth: 0,
            nesting: 0,
        }
    }

    fn options(&self) -> ReadOptions {
        self.text.options
    }

    fn tables(&self) -> &'t Tables {
        self.text.tables
    }

    /// Writes what `fill` reads as a message in `slot`.
    #[inline]
    fn message(&mut self, kind: Type, slot: Slot, fill: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if slot.is_bare() {
            return fill(self);
        }
        self.descend()?;
        slot.put_tag(&mut self.out);
        if let Type::Group(_) = kind {
            fill(self)?;
            slot.put_end_tag(&mut self.out);
        } else {
            let start = wire::open_len(&mut self.out);
            fill(self)?;
            wire::close_len(&mut self.out, start);
        }
        self.depth -= 1;
        Ok(())
    }

    /// One message deeper. A failure ends all reading, so nobody counts back after one.
    #[inline]
    fn descend(&mut self) -> Result<()> {
        if self.depth == MAX_DEPTH {
            return Err(self.failure(TOO_DEEP));
        }
        self.depth += 1;
        Ok(())
    }

    /// Reads what is between the brackets of a list or object: `item` is called for each element or member.
    #[inline]
    fn items(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.scan.expect(open)?;
        if self.nesting == MAX_NESTING {
            return Err(self.scan.too_nested());
        }
        if self.scan.eat(close) {
            return Ok(());
        }
        self.nesting += 1;
        loop {
            item(self)?;
            if !self.scan.another(close)? {
                self.nesting -= 1;
                return Ok(());
            }
        }
    }

    /// A failure where the scanner stands.
    #[cold]
    fn failure(&mut self, message: impl Into<String>) -> Failure {
        self.scan.peek();
        Failure::new(self.scan.position(), message)
    }
}
