//! google.api.HttpBody as protobuf wire: `content_type` is field 1, `data` field 2.
//!
//! Written and read by hand, because the data is to be passed on without a copy.

use bytes::Bytes;

const CONTENT_TYPE: u8 = 1 << 3 | 2;
const DATA: u8 = 2 << 3 | 2;

/// Appends an HttpBody.
pub(crate) fn put(content_type: &[u8], data: &[u8], out: &mut Vec<u8>) {
    for (tag, bytes) in [(CONTENT_TYPE, content_type), (DATA, data)] {
        if !bytes.is_empty() {
            out.push(tag);
            put_varint(bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
    }
}

/// Appends a field that is an HttpBody.
pub(crate) fn put_field(number: u32, content_type: &[u8], data: &[u8], out: &mut Vec<u8>) {
    let mut inner = Vec::with_capacity(content_type.len() + data.len() + 16);
    put(content_type, data, &mut inner);
    put_varint(u64::from(number) << 3 | 2, out);
    put_varint(inner.len() as u64, out);
    out.extend_from_slice(&inner);
}

/// An HttpBody that was read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct HttpBody {
    pub(crate) content_type: Bytes,
    pub(crate) data: Bytes,
}

impl HttpBody {
    /// Reads a message; `None` if it is no protobuf wire.
    pub(crate) fn read(wire: &Bytes) -> Option<Self> {
        let mut body = Self::default();
        body.merge(wire)?;
        Some(body)
    }

    /// Reads the HttpBody that is field `number` of a message.
    pub(crate) fn read_field(wire: &Bytes, number: u32) -> Option<Self> {
        let mut body = Self::default();
        let mut rest = wire.clone();
        while !rest.is_empty() {
            match next_field(&mut rest)? {
                (found, Some(inner)) if found == number => body.merge(&inner)?,
                _ => {}
            }
        }
        Some(body)
    }

    /// Later values win, as everywhere in protobuf.
    fn merge(&mut self, wire: &Bytes) -> Option<()> {
        let mut rest = wire.clone();
        while !rest.is_empty() {
            match next_field(&mut rest)? {
                (1, Some(bytes)) => self.content_type = bytes,
                (2, Some(bytes)) => self.data = bytes,
                _ => {}
            }
        }
        Some(())
    }
}

/// Takes one field off the front: its number, and its bytes if it is length-delimited.
fn next_field(rest: &mut Bytes) -> Option<(u32, Option<Bytes>)> {
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

fn take_varint(rest: &mut Bytes) -> Option<u64> {
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

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(content_type in "[ -~]{0,20}", data: Vec<u8>, number in 1_u32..1000) {
            let mut wire = Vec::new();
            put(content_type.as_bytes(), &data, &mut wire);
            let expect = HttpBody { content_type: content_type.clone().into(), data: data.clone().into() };
            prop_assert_eq!(HttpBody::read(&wire.into()), Some(expect.clone()));

            let mut wire = vec![0x08, 0x96, 0x01];
            wire[0] = 15 << 3;
            put_field(number + 15, content_type.as_bytes(), &data, &mut wire);
            prop_assert_eq!(HttpBody::read_field(&wire.into(), number + 15), Some(expect));
        }

        #[test]
        fn rubbish_does_no_harm(wire: Vec<u8>) {
            let wire = Bytes::from(wire);
            let _ = HttpBody::read(&wire);
            let _ = HttpBody::read_field(&wire, 3);
        }
    }
}
