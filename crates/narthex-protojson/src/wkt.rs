//! The well-known types with a JSON form of their own, and the text of timestamps, durations and field masks.

use crate::text;

/// A message type whose JSON is not an object of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of protobuf's own types")]
pub enum WellKnown {
    Any,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    /// One of the nine wrappers (`google.protobuf.Int32Value` and so on).
    Wrapper,
}

impl WellKnown {
    pub(crate) fn of(full_name: &str) -> Option<Self> {
        let name = full_name.strip_prefix("google.protobuf.")?;
        Some(match name {
            "Any" => Self::Any,
            "Timestamp" => Self::Timestamp,
            "Duration" => Self::Duration,
            "FieldMask" => Self::FieldMask,
            "Struct" => Self::Struct,
            "Value" => Self::Value,
            "ListValue" => Self::ListValue,
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => Self::Wrapper,
            _ => return None,
        })
    }
}

const MAX_DURATION: i64 = 315_576_000_000;
const MIN_TIMESTAMP: i64 = -62_135_596_800;
const MAX_TIMESTAMP: i64 = 253_402_300_799;

/// `1.5s` => (1, 500000000).
pub(crate) fn parse_duration(text: &str) -> Option<(i64, i32)> {
    let body = text.strip_suffix('s')?;
    let (negative, body) = body.strip_prefix('-').map_or((false, body), |rest| (true, rest));
    let (seconds, fraction) = body.split_once('.').map_or((body, None), |(a, b)| (a, Some(b)));
    let seconds = parse_digits(seconds, 1..=12)?;
    let nanos = fraction.map_or(Some(0), parse_fraction)?;
    if seconds > MAX_DURATION {
        return None;
    }
    Some(if negative { (-seconds, -nanos) } else { (seconds, nanos) })
}

/// Appends (1, 500000000) as `"1.500s"`; `None` if it is out of range or the signs differ.
pub(crate) fn put_duration(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Option<()> {
    let signs_differ = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
    if seconds.abs_diff(0) > MAX_DURATION.cast_unsigned() || nanos.abs_diff(0) > 999_999_999 || signs_differ {
        return None;
    }
    out.push(b'"');
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    text::put_integer(seconds.abs_diff(0), out);
    put_fraction(nanos.abs_diff(0), out);
    out.extend_from_slice(b"s\"");
    Some(())
}

/// RFC 3339 as ProtoJSON has it: upper-case `T` and `Z`, an offset or `Z`, at most nine digits of fraction.
pub(crate) fn parse_timestamp(text: &str) -> Option<(i64, i32)> {
    if !text.is_ascii() || text.len() < 20 {
        return None;
    }
    let (head, tail) = text.split_at(19);
    let b = head.as_bytes();
    if (b[4], b[7], b[10], b[13], b[16]) != (b'-', b'-', b'T', b':', b':') {
        return None;
    }
    let part = |from: usize, to: usize| parse_digits(&head[from..to], to - from..=to - from);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, zone) = match tail.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            (parse_fraction(&rest[..end])?, &rest[end..])
        }
        None => (0, tail),
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = seconds - parse_offset(zone)?;
    (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(&seconds).then_some((seconds, nanos))
}

/// Appends seconds and nanoseconds since 1970 as `"YYYY-MM-DDThh:mm:ss[.fff]Z"`; `None` outside the years 1 to 9999.
pub(crate) fn put_timestamp(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Option<()> {
    if !(MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return None;
    }
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let mut text = *b"\"0000-00-00T00:00:00";
    for (at, value) in [
        (1, year / 100),
        (3, year % 100),
        (6, month),
        (9, day),
        (12, of_day / 3_600),
        (15, of_day / 60 % 60),
        (18, of_day % 60),
    ] {
        let [value, ..] = value.to_le_bytes();
        text[at] += value / 10;
        text[at + 1] += value % 10;
    }
    out.extend_from_slice(&text);
    put_fraction(nanos.abs_diff(0), out);
    out.extend_from_slice(b"Z\"");
    Some(())
}

/// `+01:30` => 5400, `Z` => 0.
fn parse_offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (parse_digits(hours, 2..=2)?, parse_digits(minutes, 2..=2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn parse_digits(text: &str, len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let digits = len.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The digits after a point as nanoseconds.
fn parse_fraction(digits: &str) -> Option<i32> {
    let value = i32::try_from(parse_digits(digits, 1..=9)?).ok()?;
    let scale = 9 - u32::try_from(digits.len()).ok()?;
    Some(value * 10_i32.pow(scale))
}

/// Appends nanoseconds as a fraction of 0, 3, 6 or 9 digits.
fn put_fraction(nanos: u32, out: &mut Vec<u8>) {
    let (mut value, digits) = match nanos {
        0 => return,
        n if n % 1_000_000 == 0 => (n / 1_000_000, 3),
        n if n % 1_000 == 0 => (n / 1_000, 6),
        n => (n, 9),
    };
    let mut text = *b".000000000";
    for byte in text[1..=digits].iter_mut().rev() {
        let [digit, ..] = (value % 10).to_le_bytes();
        *byte += digit;
        value /= 10;
    }
    out.extend_from_slice(&text[..=digits]);
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (years that begin in March make leap days fall last).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `fooBar.baz` => `foo_bar.baz`; `None` for what could not be written back, which `foo_bar` cannot unless it is `proto`.
pub(crate) fn mask_path_to_proto(path: &str, proto: bool) -> Option<String> {
    let mut out = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        match c {
            '_' if !proto => return None,
            'A'..='Z' => {
                out.push('_');
                out.push(c.to_ascii_lowercase());
            }
            _ => out.push(c),
        }
    }
    Some(out)
}

/// `foo_bar.baz` => `fooBar.baz`; `None` for what could not be read back.
pub(crate) fn mask_path_to_json(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            // A comma is what paths are told apart by.
            'A'..='Z' | ',' => return None,
            '_' => match chars.next()? {
                next @ 'a'..='z' => out.push(next.to_ascii_uppercase()),
                _ => return None,
            },
            _ => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_survive_text() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("0001-01-01T00:00:00Z", MIN_TIMESTAMP, 0),
            ("9999-12-31T23:59:59.999999999Z", MAX_TIMESTAMP, 999_999_999),
            ("2024-02-29T12:34:56.010Z", 1_709_210_096, 10_000_000),
            ("1969-12-31T23:59:59.000001Z", -1, 1_000),
        ] {
            assert_eq!(parse_timestamp(text), Some((seconds, nanos)), "{text}");
            let mut out = Vec::new();
            put_timestamp(seconds, nanos, &mut out).unwrap();
            assert_eq!(out, format!("\"{text}\"").into_bytes());
        }
        assert_eq!(parse_timestamp("2020-01-01T01:30:00+01:30"), parse_timestamp("2020-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_no_timestamp() {
        for text in [
            "",
            "2021-01-01",
            "2021-02-29T00:00:00Z",
            "2021-01-01T24:00:00Z",
            "2021-01-01T00:00:60Z",
            "2021-01-01t00:00:00Z",
            "2021-01-01T00:00:00z",
            "2021-01-01T00:00:00",
            "2021-01-01T00:00:00.Z",
            "2021-01-01T00:00:00.1234567890Z",
            "2021-01-01T00:00:00+1:00",
            "0000-12-31T23:59:59Z",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, seconds, nanos) in [
            ("0s", 0, 0),
            ("-0.500s", 0, -500_000_000),
            ("1.010s", 1, 10_000_000),
            ("-315576000000.999999999s", -MAX_DURATION, -999_999_999),
        ] {
            assert_eq!(parse_duration(text), Some((seconds, nanos)), "{text}");
            let mut out = Vec::new();
            put_duration(seconds, nanos, &mut out).unwrap();
            assert_eq!(out, format!("\"{text}\"").into_bytes());
        }
        for text in ["", "s", "1", "1.s", ".5s", "+1s", "1 s", "--1s", "1h", "315576000001s", "1.0000000001s"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(put_duration(1, -1, &mut Vec::new()), None);
    }

    #[test]
    fn mask_paths_go_both_ways_or_not_at_all() {
        assert_eq!(mask_path_to_proto("fooBar.bazQux", false).as_deref(), Some("foo_bar.baz_qux"));
        assert_eq!(mask_path_to_json("foo_bar.baz_qux").as_deref(), Some("fooBar.bazQux"));
        assert_eq!(mask_path_to_proto("foo_bar", false), None);
        assert_eq!(mask_path_to_proto("foo_bar.bazQux", true).as_deref(), Some("foo_bar.baz_qux"));
        for path in ["fooBar", "foo__bar", "foo_3", "foo_", "a,b"] {
            assert_eq!(mask_path_to_json(path), None, "{path}");
        }
    }
}
