//! The little of protobuf's wire format that is read and written by hand: messages whose shape is known here.

use bytes::{Buf as _, Bytes};
use narthex_protojson::{MAX_DEPTH, put_varint};

/// What a tag announces.
pub(crate) enum Payload {
    Len(Bytes),
    /// What is between the two tags of a group, as messages are written whose field says `DELIMITED`.
    Group(Bytes),
    Number,
}

/// Takes one field off the front: its number, and its bytes if it is length-delimited.
pub(crate) fn next_field(rest: &mut Bytes) -> Option<(u32, Option<Bytes>)> {
    let (number, payload) = take(rest)?;
    match payload {
        Payload::Len(bytes) => Some((number, Some(bytes))),
        Payload::Group(_) | Payload::Number => Some((number, None)),
    }
}

/// Takes one field off the front.
pub(crate) fn take(rest: &mut Bytes) -> Option<(u32, Payload)> {
    let (number, wire_type) = take_tag(rest)?;
    let payload = match wire_type {
        2 => Payload::Len(take_len(rest)?),
        3 => Payload::Group(take_group(rest, number)?),
        _ => {
            pass(rest, wire_type)?;
            Payload::Number
        }
    };
    Some((number, payload))
}

fn take_tag(rest: &mut Bytes) -> Option<(u32, u8)> {
    let tag = take_varint(rest)?;
    Some((u32::try_from(tag >> 3).ok()?, tag.to_le_bytes()[0] & 7))
}

fn take_len(rest: &mut Bytes) -> Option<Bytes> {
    let len = usize::try_from(take_varint(rest)?).ok()?;
    (len <= rest.len()).then(|| rest.split_to(len))
}

/// What is before the tag that ends the group of this number, which is passed; groups in it may be as deep as parsers read.
fn take_group(rest: &mut Bytes, number: u32) -> Option<Bytes> {
    let whole = rest.clone();
    let mut open = vec![number];
    loop {
        let end = whole.len() - rest.len();
        let (number, wire_type) = take_tag(rest)?;
        match wire_type {
            3 if open.len() <= MAX_DEPTH => open.push(number),
            3 => return None,
            4 if open.pop() != Some(number) => return None,
            4 if open.is_empty() => return Some(whole.slice(..end)),
            4 => {}
            _ => pass(rest, wire_type)?,
        }
    }
}

/// Passes what is no group.
fn pass(rest: &mut Bytes, wire_type: u8) -> Option<()> {
    let len = match wire_type {
        0 => return take_varint(rest).map(drop),
        1 => 8,
        2 => return take_len(rest).map(drop),
        5 => 4,
        _ => return None,
    };
    (len <= rest.len()).then(|| rest.advance(len))
}

pub(crate) fn take_varint(rest: &mut Bytes) -> Option<u64> {
    let mut value = 0;
    for (index, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            drop(rest.split_to(index + 1));
            return Some(value);
        }
    }
    None
}

/// Appends a length-delimited field.
pub(crate) fn put_len(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a message as the field says.
pub(crate) fn put_message(field: &narthex_protojson::Field, bytes: &[u8], out: &mut Vec<u8>) {
    let number = u64::from(field.number()) << 3;
    if field.is_group() {
        put_varint(out, number | 3);
        out.extend_from_slice(bytes);
        put_varint(out, number | 4);
    } else {
        put_len(field.number(), bytes, out);
    }
}

/// One field of a message.
pub(crate) struct Field {
    pub(crate) number: u32,
    /// The bytes of a length-delimited value and of a group, of any other as they are with the tag.
    pub(crate) value: Bytes,
}

/// The fields of a message, up to where it is no wire that can be read here.
pub(crate) fn fields(message: &Bytes) -> impl Iterator<Item = Field> {
    let (whole, mut rest) = (message.clone(), message.clone());
    std::iter::from_fn(move || {
        let start = whole.len() - rest.len();
        let (number, payload) = take(&mut rest)?;
        let value = match payload {
            Payload::Len(bytes) | Payload::Group(bytes) => bytes,
            Payload::Number => whole.slice(start..whole.len() - rest.len()),
        };
        Some(Field { number, value })
    })
}

/// Whether a field of this number stands in the message.
pub(crate) fn has_field(message: &[u8], number: u32) -> bool {
    fields(&Bytes::copy_from_slice(message)).any(|field| field.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &[u8]) -> Vec<(u32, Bytes)> {
        fields(&Bytes::copy_from_slice(wire)).map(|field| (field.number, field.value)).collect()
    }

    #[test]
    fn a_group_is_one_field() {
        // 1 { 2: "a", 3 { 1: 5 } }, then 4: 7
        let wire = b"\x0b\x12\x01a\x1b\x08\x05\x1c\x0c\x20\x07";
        let group = &wire[1..8];
        assert_eq!(
            read(wire),
            [(1, Bytes::from_static(b"\x12\x01a\x1b\x08\x05\x1c")), (4, wire[9..].to_vec().into())]
        );
        assert_eq!(read(group), [(2, Bytes::from_static(b"a")), (3, Bytes::from_static(b"\x08\x05"))]);
        let mut rest = Bytes::from_static(wire);
        assert_eq!((next_field(&mut rest), next_field(&mut rest)), (Some((1, None)), Some((4, None))));
        assert!(rest.is_empty());
    }

    #[test]
    fn a_group_that_does_not_end_is_no_wire() {
        for wire in [&b"\x0b"[..], b"\x0b\x14", b"\x0b\x1b\x0c", b"\x0c", b"\x0b\x12\x09a\x0c", &[0x0b; 1000]]
        {
            assert!(read(wire).is_empty(), "{wire:?}");
        }
        let deep = |levels| [vec![0x0b; levels], vec![0x0c; levels]].concat();
        assert_eq!((read(&deep(101)).len(), read(&deep(102)).len()), (1, 0));
    }
}
