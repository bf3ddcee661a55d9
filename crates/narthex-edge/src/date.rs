//! The `Date` of HTTP/2 responses (RFC 9110 6.6.1).
//!
//! hyper would put one on every response, where gRPC clients show it to their users as metadata. HTTP/1 leaves it to hyper.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use parking_lot::Mutex;

/// Formats the time once a second.
#[derive(Debug, Default)]
pub(crate) struct Date {
    last: Mutex<Option<(u64, HeaderValue)>>,
}

impl Date {
    /// The time by now; none if the system's clock is beyond what a date can say.
    pub(crate) fn now(&self) -> Option<HeaderValue> {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let mut last = self.last.lock();
        if let Some((at, value)) = &*last
            && *at == second
        {
            return Some(value.clone());
        }
        let value = format(second)?;
        *last = Some((second, value.clone()));
        Some(value)
    }
}

fn format(second: u64) -> Option<HeaderValue> {
    // The format has four digits for the year.
    const YEAR_10000: u64 = 253_402_300_800;
    if second >= YEAR_10000 {
        return None;
    }
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_rfc_9110_has_it() {
        assert_eq!(format(784_111_777).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(format(253_402_300_799).unwrap(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(format(253_402_300_800), None);
    }

    #[test]
    fn now_is_now() {
        let date = Date::default();
        let start = SystemTime::now();
        for _ in 0..2 {
            let parsed = httpdate::parse_http_date(date.now().unwrap().to_str().unwrap()).unwrap();
            assert!(parsed <= SystemTime::now() && parsed + Duration::from_secs(1) >= start);
        }
    }
}
