//! Where on the wire the values of each field are.

use super::{Result, Writer, malformed};
use crate::bits::BitSet;
use crate::table::{FieldTable, MessageTable};
use crate::wire::{Cursor, Payload, Span};

/// Consecutive occurrences of one field. A list whose elements are together is one run; a message has about as many runs
/// as it has fields set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Where the field is among those of its message.
    index: u32,
    span: Span,
}

/// All runs of one field, by their place among the writer's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) field: &'a FieldTable,
    /// Where the field is among those of its message.
    pub(super) index: usize,
    from: usize,
    to: usize,
}

impl Group<'_> {
    pub(super) fn runs(self) -> std::ops::Range<usize> {
        self.from..self.to
    }
}

/// The pieces of a message; nearly always it is one.
pub(super) enum Pieces {
    One(Span),
    Many(Vec<Span>),
}

impl Pieces {
    pub(super) fn as_slice(&self) -> &[Span] {
        match self {
            Self::One(piece) => std::slice::from_ref(piece),
            Self::Many(pieces) => pieces,
        }
    }
}

impl<'a> Writer<'a> {
    /// Looks through the wire of a message, and calls `write` for each field that is there, by number.
    #[inline]
    pub(super) fn for_each_field(
        &mut self,
        message: &'a MessageTable,
        pieces: &[Span],
        mut write: impl FnMut(&mut Self, Group<'a>) -> Result<()>,
    ) -> Result<()> {
        let start = self.runs.len();
        self.find_runs(message, pieces)?;
        let end = self.runs.len();
        let mut from = start;
        while from < end {
            let index = self.runs[from].index as usize;
            let mut to = from + 1;
            while to < end && self.runs[to].index as usize == index {
                to += 1;
            }
            // Those of messages within are added behind, and gone when this comes back.
            write(self, Group { field: &message.fields[index], index, from, to })?;
            from = to;
        }
        self.runs.truncate(start);
        Ok(())
    }

    fn find_runs(&mut self, message: &MessageTable, pieces: &[Span]) -> Result<()> {
        let start = self.runs.len();
        let mut sorted = true;
        let mut oneofs = BitSet::default();
        let mut oneof_twice = false;
        let mut last = Run { index: 0, span: Span { start: 0, end: u32::MAX } };
        for piece in pieces {
            let mut cursor = Cursor::new(self.wire, *piece);
            let mut at = cursor.position();
            while let Some((number, payload)) = cursor.next().map_err(|why| malformed(message, why))? {
                let span =
                    Span { start: std::mem::replace(&mut at, cursor.position()), end: cursor.position() };
                let Some(index) = message.index_of_number(number) else { continue };
                let field = &message.fields[index];
                if !self.has_value(field, payload) {
                    continue;
                }
                let run = Run { index: u32::try_from(index).unwrap_or(u32::MAX), span };
                if run.index == last.index && last.span.end == span.start {
                    last.span.end = span.end;
                    if let Some(run) = self.runs.last_mut() {
                        run.span.end = span.end;
                    }
                    continue;
                }
                sorted &= self.runs.len() == start || last.index <= run.index;
                if let Some(oneof) = field.oneof {
                    oneof_twice |= !oneofs.insert(usize::from(oneof));
                }
                self.runs.push(run);
                last = run;
            }
        }
        if oneof_twice {
            self.drop_replaced(message, start);
        }
        if !sorted {
            self.runs[start..].sort_by_key(|run| run.index);
        }
        Ok(())
    }

    /// Whether a payload sets the field; protobuf's parsers take for unknown what has another wire type, and numbers a
    /// closed enum does not declare.
    #[inline]
    fn has_value(&self, field: &FieldTable, payload: Payload) -> bool {
        match payload {
            Payload::Varint(bits) if self.tables.is_undeclared(field.kind, bits) => false,
            Payload::Len(span) if span.is_empty() && field.may_be_packed() => false,
            _ => field.takes(&payload),
        }
    }

    /// Of the members of a oneof the last on the wire counts, and what it had before another one was set does not.
    #[cold]
    fn drop_replaced(&mut self, message: &MessageTable, start: usize) {
        #[derive(Clone, Copy)]
        enum Last {
            None,
            Is(u32),
            Complete,
        }
        let mut lasts = vec![Last::None; message.oneofs()];
        let mut kept: Vec<Run> = Vec::new();
        for run in self.runs.drain(start..).rev() {
            let oneof = message.fields[run.index as usize].oneof;
            if let Some(last) = oneof.and_then(|oneof| lasts.get_mut(usize::from(oneof))) {
                match *last {
                    Last::None => *last = Last::Is(run.index),
                    Last::Is(index) if index == run.index => {}
                    Last::Is(_) | Last::Complete => {
                        *last = Last::Complete;
                        continue;
                    }
                }
            }
            kept.push(run);
        }
        self.runs.extend(kept.into_iter().rev());
    }

    /// The fields in a run; they have been looked at before.
    pub(super) fn cursor(&self, run: usize) -> Cursor<'a> {
        Cursor::new(self.wire, self.runs[run].span)
    }

    /// The last of a group's values.
    #[inline]
    pub(super) fn last(&self, group: Group<'_>) -> Option<Payload> {
        let mut cursor = self.cursor(group.to - 1);
        let mut last = None;
        while let Ok(Some((_, payload))) = cursor.next() {
            last = Some(payload);
        }
        last
    }

    /// The wire of a message that may have come in several pieces.
    pub(super) fn pieces(&self, group: Group<'_>) -> Pieces {
        let mut first = None;
        let mut more = Vec::new();
        for run in group.runs() {
            let mut cursor = self.cursor(run);
            while let Ok(Some((_, Payload::Len(span) | Payload::Group(span)))) = cursor.next() {
                if first.is_none() {
                    first = Some(span);
                } else {
                    more.push(span);
                }
            }
        }
        match first {
            Some(first) if more.is_empty() => Pieces::One(first),
            first => Pieces::Many(first.into_iter().chain(more).collect()),
        }
    }
}
