//! google.api.HttpBody as protobuf wire: `content_type` is field 1, `data` field 2.
//!
//! Written and read by hand, because the data is to be passed on without a copy.

use bytes::Bytes;
use narthex_protojson::Field;

use crate::wire::{Payload, next_field, put_len, put_message, take};

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
pub(crate) fn put_field(field: &Field, content_type: &[u8], data: &[u8], out: &mut Vec<u8>) {
    let mut inner = Vec::with_capacity(content_type.len() + data.len() + 16);
    put(content_type, data, &mut inner);
    put_message(field, &inner, out);
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
            match take(&mut rest)? {
                (found, Payload::Len(inner) | Payload::Group(inner)) if found == number => {
                    body.merge(&inner)?;
                }
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
            let mut message = Vec::new();
            put(content_type.as_bytes(), &data, &mut message);
            let expect = HttpBody { content_type: content_type.clone().into(), data: data.clone().into() };
            prop_assert_eq!(HttpBody::read(&message.clone().into()), Some(expect.clone()));

            // Behind a number and a group.
            let mut wire = vec![15 << 3, 0x96, 0x01, 0x73, 0x08, 0x01, 0x74];
            put_len(number + 15, &message, &mut wire);
            prop_assert_eq!(HttpBody::read_field(&wire.into(), number + 15), Some(expect.clone()));
            let group = [b"\x73", &message[..], b"\x74"].concat();
            prop_assert_eq!(HttpBody::read_field(&group.into(), 14), Some(expect));
        }

        #[test]
        fn rubbish_does_no_harm(wire: Vec<u8>) {
            let wire = Bytes::from(wire);
            let _ = HttpBody::read(&wire);
            let _ = HttpBody::read_field(&wire, 3);
        }
    }
}
