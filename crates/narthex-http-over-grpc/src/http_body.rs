//! google.api.HttpBody on the wire, both ways, without a copy of its data where that can be.
//!
//! It is *not* a general protobuf reader: it knows one message of three fields (`content_type` 1, `data` 2,
//! `extensions` 3) and skips what it does not know, as protobuf asks.

use bytes::Bytes;
use narthex_wire::envelope::PREFIX;
use narthex_wire::{Status, envelope};

/// Groups may nest; what nests deeper than protobuf's own limit is refused.
const MAX_DEPTH: usize = 100;

/// The two fields that matter here. Extensions are skipped: Envoy puts query parameters there, which are in the path too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpBody {
    /// The value of the Content-Type header; empty if there was none.
    pub content_type: Bytes,
    /// The body.
    pub data: Bytes,
}

impl HttpBody {
    /// Reads a message; both fields are slices of it. The last value of a field wins.
    ///
    /// # Errors
    ///
    /// `INTERNAL` for bytes that are no protobuf message, as gRPC has it for requests that do not parse.
    pub fn decode(message: &Bytes) -> Result<Self, Status> {
        let mut reader = Reader { rest: message };
        let mut body = Self::default();
        while !reader.rest.is_empty() {
            let malformed = || Status::internal("the request is not a google.api.HttpBody message");
            match reader.field().ok_or_else(malformed)? {
                (1, Some(value)) => body.content_type = message.slice_ref(value),
                (2, Some(value)) => body.data = message.slice_ref(value),
                _ => {}
            }
        }
        Ok(body)
    }

    /// Writes the message into an envelope.
    ///
    /// An empty content type is written where there is no data either: Envoy leaves out a message of no bytes, and
    /// sends the browser `application/json`.
    pub fn encode(&self) -> Bytes {
        let mut buffer =
            Vec::with_capacity(PREFIX + 2 * (1 + 10) + self.content_type.len() + self.data.len());
        buffer.resize(PREFIX, 0);
        if !self.content_type.is_empty() || self.data.is_empty() {
            put_field(&mut buffer, 1, &self.content_type);
        }
        if !self.data.is_empty() {
            put_field(&mut buffer, 2, &self.data);
        }
        envelope::seal(buffer)
    }
}

fn put_field(buffer: &mut Vec<u8>, number: u8, value: &[u8]) {
    buffer.push(number << 3 | 2);
    let mut len = value.len();
    while len >= 0x80 {
        buffer.push(0x80 | low_byte(len));
        len >>= 7;
    }
    buffer.push(low_byte(len));
    buffer.extend_from_slice(value);
}

fn low_byte(number: usize) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

/// What is left of a message. Every function gives `None` for malformed bytes.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next field: its number and, if it is length-delimited, its value.
    fn field(&mut self) -> Option<(u64, Option<&'a [u8]>)> {
        let (number, wire_type) = self.tag()?;
        if wire_type == 2 {
            let len = usize::try_from(self.varint()?).ok()?;
            return Some((number, Some(self.bytes(len)?)));
        }
        self.skip(number, wire_type, 0)?;
        Some((number, None))
    }

    fn tag(&mut self) -> Option<(u64, u64)> {
        let tag = self.varint()?;
        let number = tag >> 3;
        // Field numbers are 1 to 2^29 - 1.
        (1..1 << 29).contains(&number).then_some((number, tag & 7))
    }

    fn skip(&mut self, number: u64, wire_type: u64, depth: usize) -> Option<()> {
        match wire_type {
            0 => drop(self.varint()?),
            1 => drop(self.bytes(8)?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                self.bytes(len)?;
            }
            3 if depth < MAX_DEPTH => loop {
                match self.tag()? {
                    (end, 4) => return (end == number).then_some(()),
                    (inner, wire_type) => self.skip(inner, wire_type, depth + 1)?,
                }
            },
            5 => drop(self.bytes(4)?),
            _ => return None,
        }
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }
}
