//! google.api.HttpBody as protobuf wire: `content_type` is field 1, `data` field 2.
//!
//! Written and read by hand, because the data is to be passed on without a copy.

use bytes::Bytes;

use crate::wire::{next_field, put_len};

const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// Appends an HttpBody.
pub(crate) fn put(content_type: &[u8], data: &[u8], out: &mut Vec<u8>) {
    for (number, bytes) in [(CONTENT_TYPE, content_type), (DATA, data)] {
        if !bytes.is_empty() {
            put_len(number, bytes, out);
        }
    }
}

/// Appends a field that is an HttpBody.
pub(crate) fn put_field(number: u32, content_type: &[u8], data: &[u8], out: &mut Vec<u8>) {
    let mut inner = Vec::with_capacity(content_type.len() + data.len() + 16);
    put(content_type, data, &mut inner);
    put_len(number, &inner, out);
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
                (CONTENT_TYPE, Some(bytes)) => self.content_type = bytes,
                (DATA, Some(bytes)) => self.data = bytes,
                _ => {}
            }
        }
        Some(())
    }
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
