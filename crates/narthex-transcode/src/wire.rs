//! The little of protobuf's wire format that is read and written by hand: messages whose shape is known here.

use bytes::Bytes;

/// Takes one field off the front: its number, and its bytes if it is length-delimited.
pub(crate) fn next_field(rest: &mut Bytes) -> Option<(u32, Option<Bytes>)> {
    let tag = take_varint(rest)?;
    let number = u32::try_from(tag >> 3).ok()?;
    let skip = match tag & 7 {
        0 => {
            take_varint(rest)?;
            0
        }
        1 => 8,
        2 => {
            let len = usize::try_from(take_varint(rest)?).ok()?;
            return (len <= rest.len()).then(|| (number, Some(rest.split_to(len))));
        }
        5 => 4,
        // Groups: HttpBody has none, and no message of today's protobuf declares one beside it.
        _ => return None,
    };
    if skip > rest.len() {
        return None;
    }
    drop(rest.split_to(skip));
    Some((number, None))
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

pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a length-delimited field.
pub(crate) fn put_len(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | 2, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// One field of a message.
pub(crate) struct Field {
    pub(crate) number: u32,
    /// The bytes of a length-delimited value, of any other as they are.
    pub(crate) value: Bytes,
}

/// The fields of a message, up to where it is no wire that can be read here.
pub(crate) fn fields(message: &Bytes) -> impl Iterator<Item = Field> {
    let mut rest = message.clone();
    std::iter::from_fn(move || {
        let before = rest.clone();
        let (number, value) = next_field(&mut rest)?;
        let value = value.unwrap_or_else(|| before.slice(..before.len() - rest.len()));
        Some(Field { number, value })
    })
}

/// Whether a field of this number stands in the message.
pub(crate) fn has_field(message: &[u8], number: u32) -> bool {
    fields(&Bytes::copy_from_slice(message)).any(|field| field.number == number)
}
