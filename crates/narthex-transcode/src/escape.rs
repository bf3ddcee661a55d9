//! Percent-encoded text of paths and queries.

use std::borrow::Cow;

use percent_encoding::{percent_decode, percent_decode_str};

use crate::options::{Options, Unescape};

/// RFC 6570's reserved characters.
const RESERVED: &[u8] = b"!#$&'()*+,/:;=?@[]";

/// The text of a variable; one that spans several segments keeps the escapes that [`Options::unescape`] says.
pub(crate) fn variable<'t>(
    text: &'t str,
    multi: bool,
    options: &Options,
) -> Result<Cow<'t, str>, &'static str> {
    let keep: &[u8] = match options.unescape {
        Unescape::All => b"",
        _ if !multi => b"",
        Unescape::ExceptSlash => b"/",
        Unescape::ExceptReserved => RESERVED,
    };
    decode(text, keep, options.literal_escapes)
}

/// The text of a query parameter's name or value.
pub(crate) fn parameter<'t>(
    text: &'t str,
    plus_is_space: bool,
    options: &Options,
) -> Result<Cow<'t, str>, &'static str> {
    if plus_is_space && text.contains('+') {
        return Ok(decode(&text.replace('+', " "), b"", options.literal_escapes)?.into_owned().into());
    }
    decode(text, b"", options.literal_escapes)
}

/// Decodes all escapes but those of the characters in `keep`. One that is malformed is refused, or left as it is if
/// `literal`.
fn decode<'t>(text: &'t str, keep: &[u8], literal: bool) -> Result<Cow<'t, str>, &'static str> {
    const NOT_UTF8: &str = "it is not UTF-8";
    let Some(first) = text.find('%') else { return Ok(Cow::Borrowed(text)) };
    if !literal && !is_well_formed(text, first) {
        return Err("\"%\" takes two hexadecimal digits");
    }
    if keep.is_empty() {
        return percent_decode_str(text).decode_utf8().map_err(|_| NOT_UTF8);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let escape = rest.get(..3).filter(|escape| escape[1..].iter().all(u8::is_ascii_hexdigit));
        match escape.map(|escape| (escape, percent_decode(escape).next())) {
            Some((_, Some(byte))) if !keep.contains(&byte) => out.push(byte),
            Some((escape, _)) => out.extend_from_slice(escape),
            None => out.push(b'%'),
        }
        rest = &rest[escape.map_or(1, <[u8]>::len)..];
    }
    out.extend_from_slice(rest);
    String::from_utf8(out).map(Cow::Owned).map_err(|_| NOT_UTF8)
}

fn is_well_formed(text: &str, first: usize) -> bool {
    let bytes = &text.as_bytes()[first..];
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let spec = Options::default();
        assert_eq!(variable("a%2Fb%20c", false, &spec).unwrap(), "a/b c");
        assert_eq!(variable("%20a%2fb%20%252F%2D%2F%C3%A9", true, &spec).unwrap(), " a%2fb %2F-%2Fé");
        assert_eq!(variable("plain", true, &spec).unwrap(), "plain");
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert!(variable(bad, false, &spec).is_err() && variable(bad, true, &spec).is_err(), "{bad}");
        }
        assert_eq!(parameter("a+b%2B", true, &spec).unwrap(), "a b+");
        assert_eq!(parameter("a+b%2B", false, &spec).unwrap(), "a+b+");
    }

    #[test]
    fn escapes_as_envoy_has_them() {
        let envoy = Options::envoy();
        assert_eq!(variable("%2f%23/%20%2523", true, &envoy).unwrap(), "%2f%23/ %23");
        assert_eq!(variable("%zz%2%", true, &envoy).unwrap(), "%zz%2%");
        assert_eq!(parameter("%zz%41", false, &envoy).unwrap(), "%zzA");
        let all = Options { unescape: Unescape::All, ..envoy };
        assert_eq!(variable("%2f%23/%20%2523", true, &all).unwrap(), "/#/ %23");
    }
}
