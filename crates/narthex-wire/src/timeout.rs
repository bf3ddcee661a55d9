//! `grpc-timeout`: one to eight digits and a unit.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::names::GRPC_TIMEOUT;

const MAX: u128 = 99_999_999;

/// How long the caller waits; `None` without the header, and for a malformed one, which is ignored as tonic does.
pub fn parse(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(&GRPC_TIMEOUT)?.as_bytes();
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) {
        return None;
    }
    let mut amount: u64 = 0;
    for digit in digits {
        amount = amount * 10 + u64::from(char::from(*digit).to_digit(10)?);
    }
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// A duration as a `grpc-timeout` value: the finest unit in which eight digits hold it, rounded up.
pub fn format(timeout: Duration) -> HeaderValue {
    let nanos = timeout.as_nanos();
    let units = [("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000)];
    let (amount, unit) = units
        .into_iter()
        .map(|(unit, size)| (nanos.div_ceil(size), unit))
        .find(|(amount, _)| *amount <= MAX)
        .unwrap_or_else(|| (nanos.div_ceil(3_600_000_000_000).min(MAX), "H"));
    HeaderValue::try_from(format!("{amount}{unit}")).expect("digits and a letter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<Duration>) {
        let mut headers = HeaderMap::new();
        headers.insert(&GRPC_TIMEOUT, HeaderValue::from_str(text).unwrap());
        assert_eq!(parse(&headers), expect, "{text:?}");
    }

    #[test]
    fn every_unit() {
        check("1H", Some(Duration::from_hours(1)));
        check("2M", Some(Duration::from_mins(2)));
        check("3S", Some(Duration::from_secs(3)));
        check("4m", Some(Duration::from_millis(4)));
        check("5u", Some(Duration::from_micros(5)));
        check("6n", Some(Duration::from_nanos(6)));
        check("99999999H", Some(Duration::from_hours(99_999_999)));
        check("0n", Some(Duration::ZERO));
        assert_eq!(parse(&HeaderMap::new()), None);
    }

    #[test]
    fn malformed_is_ignored() {
        for text in ["", "S", "1", "123456789S", "1s", "-1S", "+1S", "1.5S", " 1S", "1S ", "1 S"] {
            check(text, None);
        }
    }

    #[test]
    fn formats_in_the_finest_unit_that_fits() {
        for (timeout, expect) in [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(3), "3000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000_000), "1666667M"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(format(timeout), expect);
        }
    }
}
