//! Writing protobuf wire into a buffer.

/// Wire types of the protobuf encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Len = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

/// How deep messages may be nested in the message at the top: protobuf's parsers read no deeper unless told to, so what
/// is deeper would be an error of the service that gets it. Groups and the entries of maps are messages too.
pub(crate) const MAX_DEPTH: usize = 100;

pub(crate) const TOO_DEEP: &str = "messages are nested deeper than 100, the limit of protobuf parsers";

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    put_varint(out, u64::from(number) << 3 | wire_type as u64);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Lets `fill` append something and puts its length in front of it.
///
/// One byte is set aside for the length; what is longer than 127 bytes is moved once.
pub(crate) fn put_with_len<E>(
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.push(0);
    fill(out)?;
    let len = out.len() - start - 1;
    if let Ok(short @ 0..0x80) = u8::try_from(len) {
        out[start] = short;
        return Ok(());
    }
    let mut prefix = Vec::with_capacity(10);
    put_varint(&mut prefix, len as u64);
    out.splice(start..=start, prefix);
    Ok(())
}

pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_come_before_what_they_measure() {
        for len in [0, 1, 127, 128, 16_383, 16_384] {
            let mut out = b"head".to_vec();
            let filled: Result<(), ()> = put_with_len(&mut out, |out| {
                out.resize(out.len() + len, 7);
                Ok(())
            });
            filled.unwrap();
            let mut expect = b"head".to_vec();
            put_bytes(&mut expect, &vec![7; len]);
            assert_eq!(out, expect, "{len}");
        }
    }

    #[test]
    fn zigzag_interleaves() {
        assert_eq!([0, -1, 1, i64::MIN, i64::MAX].map(zigzag), [0, 1, 2, u64::MAX, u64::MAX - 1]);
    }
}
