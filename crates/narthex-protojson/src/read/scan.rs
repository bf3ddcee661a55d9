//! JSON text, token by token.
//!
//! RFC 8259 and no more: no comments, no trailing commas, no single quotes. Nothing is copied before somebody asks for it,
//! and nothing is kept: whoever reads a value decides what becomes of it.

use std::borrow::Cow;

use super::failure::{Failure, Result};
use crate::text::{self, Integer};

/// How deep lists and objects may be nested in the text. Messages end at 100; the rest is room for what is held by an
/// Any, which counts from its own top, and for values nobody knows.
pub(crate) const MAX_NESTING: usize = 200;

/// Reads a text that is known to be UTF-8.
#[derive(Debug)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

/// A string as it stands in the text, without its quotation marks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'t> {
    pub(super) text: &'t str,
    /// Whether it has escapes; without any it means itself.
    pub(super) escaped: bool,
    /// Where it starts.
    pub(super) at: usize,
}

/// A number as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'t> {
    pub(super) text: &'t str,
    /// Its value, if it has neither fraction nor exponent and fits.
    pub(super) integer: Option<Integer>,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes back to where it has been.
    pub(super) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    /// What is left, as bytes.
    #[inline]
    pub(super) fn rest(&self) -> &'t [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Passes bytes that have been looked at.
    #[inline]
    pub(super) fn advance(&mut self, by: usize) {
        self.at += by;
    }

    /// The next byte that is no white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        match self.text.as_bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.peek_behind_space(),
        }
    }

    #[inline(never)]
    fn peek_behind_space(&mut self) -> Option<u8> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let rest = self.rest();
        let spaces = rest.iter().take_while(|byte| is_space(byte)).count();
        self.at += spaces;
        rest.get(spaces).copied()
    }

    /// Passes this byte if it comes next.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes this byte, which has to come next.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { Err(self.missing(byte)) }
    }

    #[cold]
    fn missing(&mut self, byte: u8) -> Failure {
        self.unexpected(&format!("{:?}", char::from(byte)))
    }

    /// After a member or an element: whether another one follows, or the list or object ends.
    #[inline]
    pub(super) fn another(&mut self, close: u8) -> Result<bool> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.unended(close)),
        }
    }

    #[cold]
    fn unended(&mut self, close: u8) -> Failure {
        self.unexpected(&format!("',' or {:?}", char::from(close)))
    }

    /// Nothing but white space may be left.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.peek().is_some() {
            Err(Failure::new(self.at, "there is something after the value"))
        } else {
            Ok(())
        }
    }

    #[cold]
    pub(super) fn unexpected(&mut self, wanted: &str) -> Failure {
        match self.peek() {
            None => Failure::new(self.at, format!("the text ends where {wanted} should be")),
            Some(_) => Failure::new(self.at, format!("expected {wanted}")),
        }
    }

    /// Passes `true`, `false` or `null`.
    pub(super) fn literal(&mut self, word: &str) -> Result<()> {
        if self.rest().starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.unexpected("a value"))
        }
    }

    /// The string that comes next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Raw<'t>> {
        self.expect(b'"')?;
        let (at, rest) = (self.at, self.rest());
        let plain = text::plain_prefix(rest);
        if rest.get(plain) != Some(&b'"') {
            return self.escaped_body();
        }
        self.at += plain + 1;
        Ok(Raw { text: &self.text[at..at + plain], escaped: false, at })
    }

    /// What the string that comes next says, if it has no escapes; else nothing is passed.
    #[inline]
    pub(super) fn plain_string(&mut self) -> Option<&'t [u8]> {
        let inside = self.rest().strip_prefix(b"\"")?;
        let plain = text::plain_prefix(inside);
        if inside.get(plain) != Some(&b'"') {
            return None;
        }
        self.at += plain + 2;
        Some(&inside[..plain])
    }

    /// The same where something else comes before the quotation mark at the end.
    #[inline(never)]
    fn escaped_body(&mut self) -> Result<Raw<'t>> {
        let at = self.at;
        let mut escaped = false;
        loop {
            let rest = self.rest();
            let plain = text::plain_prefix(rest);
            self.at += plain;
            match rest.get(plain) {
                Some(b'"') => {
                    let text = &self.text[at..self.at];
                    self.at += 1;
                    return Ok(Raw { text, escaped, at });
                }
                Some(b'\\') => {
                    escaped = true;
                    // What is escaped may be a quotation mark; whether the escape exists is seen when it is decoded.
                    let after = rest.get(plain + 1).filter(|byte| byte.is_ascii_graphic());
                    after.ok_or_else(|| Failure::new(self.at, "a backslash with nothing it could escape"))?;
                    self.at += 2;
                }
                Some(_) => {
                    return Err(Failure::new(
                        self.at,
                        "a control character in a string; write it as \\u0000",
                    ));
                }
                None => return Err(Failure::new(self.at, "the text ends within a string")),
            }
        }
    }

    /// The number that comes next.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Number<'t>> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let (value, digits) = leading_integer(&bytes[start..]);
        let first = start + usize::from(value.negative);
        let end = first + digits;
        self.at = end;
        if digits == 0 || (digits > 1 && bytes[first] == b'0') {
            self.at = start;
            return Err(Failure::new(start, "expected a number without leading zeros"));
        }
        if matches!(bytes.get(end), Some(b'.' | b'e' | b'E')) {
            self.fraction_and_exponent()?;
            return Ok(Number { text: &self.text[start..self.at], integer: None });
        }
        let integer = (digits <= DIGITS_THAT_FIT).then_some(value);
        Ok(Number { text: &self.text[start..end], integer })
    }

    /// Passes a string that is a plain integer, which is how 64 bits are mostly given; nothing else is passed.
    #[inline]
    pub(super) fn quoted_integer(&mut self) -> Option<Integer> {
        let inside = self.rest().strip_prefix(b"\"")?;
        let (value, digits) = leading_integer(inside);
        let length = usize::from(value.negative) + digits;
        if !(1..=DIGITS_THAT_FIT).contains(&digits) || inside.get(length) != Some(&b'"') {
            return None;
        }
        self.at += length + 2;
        Some(value)
    }

    fn fraction_and_exponent(&mut self) -> Result<()> {
        if self.rest().first() == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.rest().first() {
            self.at += 1;
            self.at += usize::from(matches!(self.rest().first(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.unexpected("a digit"));
        }
        self.at += count;
        Ok(())
    }

    /// Passes a value of any kind, which still has to be JSON.
    pub(super) fn skip(&mut self, nesting: usize) -> Result<()> {
        match self.peek() {
            Some(b'"') => {
                let raw = self.string()?;
                if raw.escaped {
                    raw.decode_into(&mut Vec::new())?;
                }
                Ok(())
            }
            Some(b'{') => self.skip_members(nesting, b'}', |scan| {
                scan.string()?.decoded()?;
                scan.expect(b':')
            }),
            Some(b'[') => self.skip_members(nesting, b']', |_| Ok(())),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn skip_members(
        &mut self,
        nesting: usize,
        close: u8,
        before: impl Fn(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if nesting == MAX_NESTING {
            return Err(self.too_nested());
        }
        self.at += 1;
        if self.eat(close) {
            return Ok(());
        }
        loop {
            self.peek();
            before(self)?;
            self.skip(nesting + 1)?;
            if !self.another(close)? {
                return Ok(());
            }
        }
    }

    #[cold]
    pub(super) fn too_nested(&self) -> Failure {
        Failure::new(self.at, format!("lists and objects are nested deeper than {MAX_NESTING}"))
    }
}

impl<'t> Raw<'t> {
    /// What the string says.
    #[inline]
    pub(super) fn decoded(&self) -> Result<Cow<'t, str>> {
        if !self.escaped {
            return Ok(Cow::Borrowed(self.text));
        }
        let mut out = Vec::new();
        self.decode_into(&mut out)?;
        let text = String::from_utf8(out).expect("the text is UTF-8, and what its escapes stand for is, too");
        Ok(Cow::Owned(text))
    }

    /// Appends what the string says.
    pub(super) fn decode_into(&self, out: &mut Vec<u8>) -> Result<()> {
        let mut rest = self.text.as_bytes();
        while let Some(plain) = rest.iter().position(|byte| *byte == b'\\') {
            out.extend_from_slice(&rest[..plain]);
            rest = &rest[plain..];
            let no_escape =
                || Failure::new(self.at + self.text.len() - rest.len(), "an escape JSON does not have");
            let used = put_unescaped(rest, out).ok_or_else(no_escape)?;
            rest = &rest[used..];
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// So many digits are never more than 64 bits.
const DIGITS_THAT_FIT: usize = 19;

/// The integer that the text begins with, and how many digits it has; with more than [`DIGITS_THAT_FIT`] its value is wrong.
#[inline]
fn leading_integer(text: &[u8]) -> (Integer, usize) {
    let negative = text.first() == Some(&b'-');
    let unsigned = &text[usize::from(negative)..];
    let (mut magnitude, mut digits) = unsigned.first_chunk().map_or((0, 0), |word| leading_digits(*word));
    if (1..8).contains(&digits) {
        return (Integer { negative, magnitude }, digits);
    }
    while let Some(digit @ b'0'..=b'9') = unsigned.get(digits) {
        magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        digits += 1;
    }
    (Integer { negative, magnitude }, digits)
}

/// The number that eight bytes begin with, and how many digits it has: all of them at once.
#[inline]
fn leading_digits(word: [u8; 8]) -> (u64, usize) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // Digits become 0 to 9. Adding 0x76 sets the high bit of what is more, and carries from there on only.
    let values = u64::from_le_bytes(word) ^ (ONES * u64::from(b'0'));
    let others = (values.wrapping_add(ONES * 0x76) | values) & (ONES << 7);
    let digits = others.trailing_zeros() / 8;
    // Zeros in front, the first digit being the lowest byte; then pairs, fours, and all.
    let padded = values.checked_shl(64 - 8 * digits).unwrap_or(0);
    let pairs = padded.wrapping_mul(10).wrapping_add(padded >> 8);
    let (low, high) = (pairs & 0x0000_00ff_0000_00ff, (pairs >> 16) & 0x0000_00ff_0000_00ff);
    let value =
        low.wrapping_mul(100 + (1_000_000 << 32)).wrapping_add(high.wrapping_mul(1 + (10_000 << 32))) >> 32;
    (value, digits as usize)
}

/// Appends what the escape at the start of `text` stands for, and returns its length; `None` if it is none, or half of a
/// surrogate pair.
fn put_unescaped(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let byte = match *text.get(1)? {
        byte @ (b'"' | b'\\' | b'/') => byte,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let (code, used) = code_point(text)?;
            out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(used);
        }
        _ => return None,
    };
    out.push(byte);
    Some(2)
}

/// The code point of `\uXXXX`, or of two that are a surrogate pair.
fn code_point(text: &[u8]) -> Option<(u32, usize)> {
    let high = code_unit(text)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((high, 6));
    }
    let low = code_unit(text.get(6..)?)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((0x1_0000 + ((high - 0xd800) << 10) + low, 12))
}

fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_end_where_they_do() {
        let digits = b"9081726354091827364";
        for length in 0..=digits.len() {
            let expect = digits[..length].iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
            // Neighbours of the digits, what is no ASCII, and what ends numbers; with and without anything behind.
            for end in [b'/', b':', b'"', b'e', b' ', 0, 0x7f, 0x80, 0xff] {
                for behind in ["", "5", "55555555"] {
                    let text = [&digits[..length], &[end], behind.as_bytes()].concat();
                    let negative = [b"-", &text[..]].concat();
                    let found = |negative| (Integer { negative, magnitude: expect }, length);
                    assert_eq!(leading_integer(&text), found(false), "{text:?}");
                    assert_eq!(leading_integer(&negative), found(true), "{text:?}");
                }
            }
            assert_eq!(leading_integer(&digits[..length]).1, length);
        }
    }
}
