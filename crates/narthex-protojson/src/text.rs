//! Numbers, bytes and names as text: the string forms that ProtoJSON allows.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// An integer in the grammar of JSON numbers, so also `1e3` and `2.0`; leading zeros are let through.
///
/// Exact: nothing passes through a double. `None` if it is no whole number or has more than 20 digits.
pub(crate) fn parse_int(text: &str) -> Option<i128> {
    if let Ok(value) = text.parse::<i64>() {
        return (!text.starts_with('+')).then_some(i128::from(value));
    }
    if !is_number(text) {
        return None;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // An exponent too large for i32 cannot make a value of 20 digits out of anything but zero.
    let exponent: i32 = exponent.parse().ok()?;
    let dropped = i32::try_from(digits.len() - significant.len()).ok()?;
    let zeros = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
    let significant = significant.trim_start_matches('0');
    let zeros = usize::try_from(zeros).ok()?;
    if zeros > 20 || significant.len() + zeros > 20 {
        return None;
    }
    let value = significant.parse::<i128>().ok()? * 10_i128.pow(u32::try_from(zeros).ok()?);
    Some(if negative { -value } else { value })
}

/// A whole double as an integer.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and far inside the range")]
pub(crate) fn int_from_double(value: f64) -> Option<i128> {
    (value.fract() == 0.0 && value.abs() < 1e20).then_some(value as i128)
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

/// Base64 in the standard or the URL-safe alphabet, with or without padding.
pub(crate) fn parse_base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok()
}

/// Appends base64 in the standard alphabet with padding.
pub(crate) fn put_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
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
            assert_eq!(parse_int(text), Some(expect), "{text}");
        }
        for text in
            ["", "+1", " 1", "1 ", "1.", ".5", "0.5", "1e", "1e-1", "0x1", "1_0", "1e999999999999", "١"]
        {
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
    }

    #[test]
    fn base64_of_both_alphabets() {
        for text in ["+/A=", "+/A", "-_A", "-_A="] {
            assert_eq!(parse_base64(text).as_deref(), Some(&[0xfb, 0xf0][..]), "{text}");
        }
        assert_eq!(parse_base64("a b"), None);
    }
}
