//! The query of a Connect GET: what it says can be said again.

use std::fmt::Write as _;

use narthex_connect::query::Query;
use narthex_wire::Codec;

/// The target.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(Some(query)) = Query::read(text) else { return };
    let codec = match query.codec {
        Codec::Proto => "proto",
        Codec::Json => "json",
    };
    let mut again = format!("encoding={codec}&compression={}&message=", query.encoding.name());
    for byte in &query.message {
        let _ = write!(again, "%{byte:02X}");
    }
    assert_eq!(Query::read(&again).expect("what is written can be read"), Some(query), "{again}");
}
