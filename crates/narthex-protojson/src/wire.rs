//! Protobuf wire: writing it into a buffer, and taking it apart.

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
pub const MAX_DEPTH: usize = 100;

/// What is said of a message that is nested deeper.
pub const TOO_DEEP: &str = "messages are nested deeper than 100, the limit of protobuf parsers";

/// Appends a number as protobuf writes lengths, tags and most integers: seven bits a byte, the lowest first.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// At most eight bytes of wire in a word, the first being the lowest: what is short is written at once, without a look at the
/// buffer for every byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packed {
    word: u64,
    len: u8,
}

impl Packed {
    /// No bytes.
    pub(crate) const NONE: Self = Self { word: 0, len: 0 };

    pub(crate) const fn fixed32(value: u32) -> Self {
        Self { word: value as u64, len: 4 }
    }

    pub(crate) const fn fixed64(value: u64) -> Self {
        Self { word: value, len: 8 }
    }

    /// A number as a varint, if that has no more than eight bytes.
    #[inline]
    pub(crate) fn varint(value: u64) -> Option<Self> {
        if value < 0x80 {
            return Some(Self { word: value, len: 1 });
        }
        if value >> 56 != 0 {
            return None;
        }
        // Seven bits to each byte: halves of the word are moved apart, then their halves, then those of these.
        let word = (value & 0x0fff_ffff) | (value & (0x0fff_ffff << 28)) << 4;
        let word = (word & 0x0000_3fff_0000_3fff) | (word & 0x0fff_c000_0fff_c000) << 2;
        let word = (word & 0x007f_007f_007f_007f) | (word & 0x3f80_3f80_3f80_3f80) << 1;
        let len = (u64::BITS - value.leading_zeros()).div_ceil(7);
        let continued = 0x8080_8080_8080_8080 & ((1 << (8 * (len - 1))) - 1);
        Some(Self { word: word | continued, len: len.to_le_bytes()[0] })
    }

    /// The tag that ends a group, of the one that begins it.
    pub(crate) const fn end_of_group(self) -> Self {
        // The wire type is the lowest part of the first byte.
        Self { word: self.word + 1, ..self }
    }

    #[inline]
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.len);
        out.extend_from_slice(&self.word.to_le_bytes());
        out.truncate(end);
    }

    /// Appends it with another behind it.
    #[inline]
    pub(crate) fn put_with(self, other: Self, out: &mut Vec<u8>) {
        let len = self.len + other.len;
        if len > 8 {
            self.put(out);
            other.put(out);
            return;
        }
        let word = self.word | other.word.wrapping_shl(8 * u32::from(self.len));
        Self { word, len }.put(out);
    }
}

/// A tag as it is on the wire: field number and wire type.
pub(crate) fn tag(number: u32, wire_type: WireType) -> u32 {
    number << 3 | wire_type as u32
}

pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    put_varint(out, u64::from(tag(number, wire_type)));
}

#[inline]
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Sets a byte aside for the length of what follows; [`close_len`] gets what this returns.
pub(crate) fn open_len(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Puts the length of what was written since [`open_len`] in front of it; what is longer than 127 bytes is moved once.
pub(crate) fn close_len(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    let len = end - start;
    if let Ok(short @ 0..0x80) = u8::try_from(len) {
        out[start - 1] = short;
        return;
    }
    let bits = usize::BITS - len.leading_zeros();
    let extra = bits.div_ceil(7) as usize - 1;
    out.resize(end + extra, 0);
    out.copy_within(start..end, start + extra);
    let mut rest = len;
    for byte in &mut out[start - 1..start + extra] {
        *byte = rest.to_le_bytes()[0] | 0x80;
        rest >>= 7;
    }
    out[start + extra - 1] &= 0x7f;
}

/// Lets `fill` append something and puts its length in front of it.
pub(crate) fn put_with_len<E>(
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = open_len(out);
    fill(out)?;
    close_len(out, start);
    Ok(())
}

#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[inline]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Types of 32 bits take the low half of a varint, as protobuf's parsers do.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what is cut off does not count")]
pub(crate) fn low(bits: u64) -> u32 {
    bits as u32
}

/// Part of the wire that is read, by offsets: nothing is copied to look at a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// All of `wire`; `None` if it is longer than a protobuf message may be (2 GiB).
    pub(crate) fn of(wire: &[u8]) -> Option<Self> {
        let end = i32::try_from(wire.len()).ok()?.cast_unsigned();
        Some(Self { start: 0, end })
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(crate) fn bytes(self, wire: &[u8]) -> &[u8] {
        &wire[self.start as usize..self.end as usize]
    }
}

/// What a tag announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Len(Span),
    /// What is between the two tags of a group.
    Group(Span),
}

impl Payload {
    pub(crate) fn wire_type(&self) -> WireType {
        match self {
            Self::Varint(_) => WireType::Varint,
            Self::Fixed64(_) => WireType::Fixed64,
            Self::Fixed32(_) => WireType::Fixed32,
            Self::Len(_) => WireType::Len,
            Self::Group(_) => WireType::StartGroup,
        }
    }
}

/// Bytes that are no protobuf wire: what is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

const CUT: Malformed = Malformed("they end within a field");

/// Goes through the fields in a span of the wire.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'w> {
    wire: &'w [u8],
    at: usize,
    end: usize,
}

impl<'w> Cursor<'w> {
    pub(crate) fn new(wire: &'w [u8], span: Span) -> Self {
        let end = span.end as usize;
        Self { wire: &wire[..end], at: span.start as usize, end }
    }

    /// Where it stands.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the end of a span is a u32, and no cursor goes beyond it"
    )]
    pub(crate) fn position(&self) -> u32 {
        self.at as u32
    }

    /// The next field with its number; `None` at the end.
    #[expect(
        clippy::inline_always,
        reason = "a seventh of what writing JSON takes, for it is called twice a field"
    )]
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Payload)>, Malformed> {
        if self.at == self.end {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let payload = match wire_type {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Payload::Len(self.len()?),
            3 => Payload::Group(self.group(number, MAX_DEPTH)?),
            5 => Payload::Fixed32(u32::from_le_bytes(self.array()?)),
            4 => return Err(Malformed("a group ends that has not begun")),
            _ => return Err(Malformed("they have a wire type that does not exist")),
        };
        Ok(Some((number, payload)))
    }

    fn tag(&mut self) -> Result<(u32, u8), Malformed> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or(Malformed("they have a field number that does not exist"))?;
        Ok((number, tag.to_le_bytes()[0] & 7))
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        match self.wire.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (index, byte) in self.wire[self.at..].iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.at += index + 1;
                return Ok(value);
            }
        }
        Err(if self.end - self.at < 10 { CUT } else { Malformed("they have a number longer than ten bytes") })
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let array = self.wire[self.at..].first_chunk().ok_or(CUT)?;
        self.at += N;
        Ok(*array)
    }

    fn len(&mut self) -> Result<Span, Malformed> {
        let len = usize::try_from(self.varint()?).ok().filter(|len| *len <= self.end - self.at);
        let start = self.position();
        self.at += len.ok_or(CUT)?;
        Ok(Span { start, end: self.position() })
    }

    /// What a group holds, which may be groups; its end tag is passed.
    fn group(&mut self, number: u32, depth: usize) -> Result<Span, Malformed> {
        if depth == 0 {
            return Err(Malformed(TOO_DEEP));
        }
        let start = self.position();
        loop {
            let end = self.position();
            let (inner, wire_type) = self.tag()?;
            match wire_type {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => drop(self.len()?),
                3 => drop(self.group(inner, depth - 1)?),
                4 if inner == number => return Ok(Span { start, end }),
                5 => drop(self.array::<4>()?),
                _ => return Err(Malformed("they have a group that does not end")),
            }
        }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.end
    }
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
    fn what_is_packed_is_written_as_byte_by_byte() {
        let values =
            (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, 0x5555_5555_5555_5555 >> bit, u64::MAX >> bit]);
        for value in values {
            let mut expect = b"head".to_vec();
            put_varint(&mut expect, value);
            let Some(packed) = Packed::varint(value) else {
                assert!(value >= 1 << 56, "{value}");
                continue;
            };
            let mut out = b"head".to_vec();
            packed.put(&mut out);
            assert_eq!(out, expect, "{value}");
            packed.put_with(Packed::fixed64(value), &mut out);
            let twice = [&expect[..], &expect[4..], &value.to_le_bytes()].concat();
            assert_eq!(out, twice, "{value}");
        }
        let mut out = Vec::new();
        Packed::varint(tag(20, WireType::StartGroup).into()).unwrap().end_of_group().put(&mut out);
        Packed::NONE.put_with(Packed::fixed32(7), &mut out);
        assert_eq!(out, [0xa4, 0x01, 7, 0, 0, 0]);
    }

    #[test]
    fn zigzag_interleaves() {
        assert_eq!([0, -1, 1, i64::MIN, i64::MAX].map(zigzag), [0, 1, 2, u64::MAX, u64::MAX - 1]);
    }
}
