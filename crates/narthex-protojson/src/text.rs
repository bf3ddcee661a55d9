//! Numbers, bytes and strings as text: the forms that ProtoJSON allows, and the ones it is written in.

use std::fmt;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A whole number of at most 64 bits and a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Integer {
    pub(crate) negative: bool,
    pub(crate) magnitude: u64,
}

impl Integer {
    #[inline]
    pub(crate) fn signed(self) -> Option<i64> {
        if self.negative {
            0_i64.checked_sub_unsigned(self.magnitude)
        } else {
            i64::try_from(self.magnitude).ok()
        }
    }

    #[inline]
    pub(crate) fn unsigned(self) -> Option<u64> {
        (!self.negative || self.magnitude == 0).then_some(self.magnitude)
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negative { "-" } else { "" }, self.magnitude)
    }
}

/// An integer in the grammar of JSON numbers, so also `1e3` and `2.0`; leading zeros are let through.
///
/// Exact: nothing passes through a double. `None` if it is no whole number, or has more than 64 bits; however large the
/// exponent is, no more is computed than that.
pub(crate) fn parse_int(text: &str) -> Option<Integer> {
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if !unsigned.is_empty() && unsigned.len() < 20 && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Integer { negative, magnitude: unsigned.parse().ok()? });
    }
    if !is_number(text) {
        return None;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(Integer { negative, magnitude: 0 });
    }
    // An exponent too large for i32 cannot make a value of 20 digits out of anything but zero.
    let exponent: i32 = exponent.parse().ok()?;
    let dropped = i32::try_from(digits.len() - significant.len()).ok()?;
    let zeros = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
    let significant = significant.trim_start_matches('0');
    let zeros = u32::try_from(zeros).ok()?;
    if zeros > 20 || significant.len() > 20 {
        return None;
    }
    let magnitude = significant.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(zeros)?)?;
    Some(Integer { negative, magnitude })
}

/// A double in the grammar of JSON numbers, `NaN`, `Infinity` or `-Infinity`.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let value: f64 = is_number(text).then(|| text.parse().ok()).flatten()?;
    value.is_finite().then_some(value)
}

/// Narrows a double; `None` if a finite one is too large.
#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest float is what is wanted")]
pub(crate) fn to_float(value: f64) -> Option<f32> {
    let float = value as f32;
    (float.is_finite() || !value.is_finite()).then_some(float)
}

/// Whether the text is `-? digits (. digits)? ([eE] [+-]? digits)?`.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(a, b)| (a, Some(b)));
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(a, b)| (a, Some(b)));
    digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// Appends what base64 says, in the standard or the URL-safe alphabet, with or without padding; false if it is none.
pub(crate) fn decode_base64(text: &str, out: &mut Vec<u8>) -> bool {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode_vec(text, out).is_ok()
}

/// Appends base64 in the standard alphabet with padding.
pub(crate) fn put_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD.encode_slice(bytes, &mut out[start..]).expect("four characters for each three bytes are enough");
}

/// How many bytes of a JSON string are themselves: the offset of the first quotation mark, backslash or control
/// character, or the length.
#[inline]
pub(crate) fn plain_prefix(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    words.len() * 8 + tail.iter().position(special).unwrap_or(tail.len())
}

/// Sets the high bit of the first byte that is special, counted from the low end; bytes after it may be wrong.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let below = |limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let equals = |byte: u8| {
        let zero_where_equal = word ^ (ONES * u64::from(byte));
        zero_where_equal.wrapping_sub(ONES) & !zero_where_equal
    };
    (below(0x20) | equals(b'"') | equals(b'\\')) & HIGHS
}

/// Appends a JSON string.
pub(crate) fn put_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_prefix(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        put_escape(*byte, out);
        rest = after;
    }
    out.push(b'"');
}

#[cold]
fn put_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends an integer.
#[inline]
pub(crate) fn put_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a finite float or double by the shortest text that reads back as the same; whole numbers without `.0`, but for
/// minus zero, which to many readers would be an integer then, and lose its sign.
#[inline]
pub(crate) fn put_finite(value: impl zmij::Float, out: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    let whole = text.strip_suffix(".0").filter(|whole| *whole != "-0");
    out.extend_from_slice(whole.unwrap_or(text).as_bytes());
}

/// A text as it is quoted in an error: in quotation marks, and not at any length.
pub(crate) fn quoted(text: &str) -> String {
    match beginning(text) {
        Some(beginning) => format!("{beginning:?}..."),
        None => format!("{text:?}"),
    }
}

/// As much of a text as an error shows; none if that is all of it.
pub(crate) fn beginning(text: &str) -> Option<&str> {
    const LIMIT: usize = 80;
    text.char_indices().nth(LIMIT).map(|(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, expect) in [
            ("0", 0),
            ("-0", 0),
            ("007", 7),
            ("1e3", 1_000),
            ("-1.50E+1", -15),
            ("100e-2", 1),
            ("0e99999999999", 0),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", i128::from(u64::MAX)),
        ] {
            let found = parse_int(text).unwrap();
            let value = i128::from(found.magnitude) * if found.negative { -1 } else { 1 };
            assert_eq!(value, expect, "{text}");
        }
        for text in [
            "",
            "+1",
            " 1",
            "1 ",
            "1.",
            ".5",
            "0.5",
            "1e",
            "1e-1",
            "0x1",
            "1_0",
            "1e999999999999",
            "1e20",
            "18446744073709551616",
            "١",
        ] {
            assert_eq!(parse_int(text), None, "{text}");
        }
    }

    #[test]
    fn doubles() {
        assert_eq!(parse_double("-2.5e-3"), Some(-0.0025));
        for text in ["inf", "nan", "+Infinity", "1.", ".5", "1e999", "", "1f"] {
            assert_eq!(parse_double(text), None, "{text}");
        }
        assert_eq!(to_float(3.402_823_5e38), Some(f32::MAX));
        assert_eq!(to_float(3.5e38), None);
        assert_eq!(to_float(f64::INFINITY), Some(f32::INFINITY));
        for (value, text) in [(0.0, "0"), (-0.0, "-0.0"), (-2.0, "-2"), (0.1, "0.1"), (1e21, "1e+21")] {
            let mut out = Vec::new();
            put_finite(value, &mut out);
            assert_eq!(str::from_utf8(&out), Ok(text));
        }
    }

    #[test]
    fn base64_of_both_alphabets() {
        for text in ["+/A=", "+/A", "-_A", "-_A="] {
            let mut bytes = Vec::new();
            assert!(decode_base64(text, &mut bytes), "{text}");
            assert_eq!(bytes, [0xfb, 0xf0], "{text}");
            let mut back = b"x".to_vec();
            put_base64(&bytes, &mut back);
            assert_eq!(back, b"x+/A=");
        }
        assert!(!decode_base64("a b", &mut Vec::new()));
    }

    #[test]
    fn what_is_special_is_found_wherever_it_is() {
        for length in 0..40 {
            let plain = vec![b'~'; length];
            assert_eq!(plain_prefix(&plain), length);
            for (at, special) in (0..length).flat_map(|at| [(at, b'"'), (at, b'\\'), (at, 0), (at, 0x1f)]) {
                let mut bytes = plain.clone();
                bytes[at] = special;
                assert_eq!(plain_prefix(&bytes), at, "{special} in {length}");
            }
        }
        // What is above ASCII, a space, and the neighbours of what is special are not.
        assert_eq!(plain_prefix(b" !#[]\x7f\x80\xff\xa2\xdc\x9f"), 11);
    }

    #[test]
    fn strings_are_as_serde_json_writes_them() {
        for text in ["", "plain", "a\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}", "é😀\u{2028}"] {
            let mut out = Vec::new();
            put_string(text, &mut out);
            assert_eq!(out, serde_json::to_vec(text).unwrap());
        }
    }

    #[test]
    fn long_texts_are_quoted_in_part() {
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
        assert!(quoted(&"é".repeat(100)).ends_with("é\"..."));
    }
}
