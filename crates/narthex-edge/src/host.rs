//! The grammar of `Host` (RFC 9110 7.2, RFC 3986 3.2).
//!
//! Applications build URLs from it, so nothing that ends a host may pass. It is *not* a resolver: whether there is such a
//! host, or it is this one, is the application's question.

/// Whether this is `uri-host [":" port]`. It may be empty, for a target that has no host.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let (is_name, port) = if let [b'[', rest @ ..] = value {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
        let is_literal = end > 0 && rest[..end].iter().all(|byte| is_name_byte(*byte) || *byte == b':');
        (is_literal, &rest[end + 1..])
    } else {
        let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
        (value[..end].iter().all(|byte| is_name_byte(*byte)), &value[end..])
    };
    is_name && matches!(port, [] | [b':', ..]) && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// `unreserved`, `sub-delims`, and what percent-encoding is made of.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in
            ["", "a", "a.example", "a_b:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "a:", "%C3%A4", "xn--4ca"]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b/c", "a/b", "a?b", "a#b", "a@b", "a\\b", "a\"b", "<a>", "a:b", "a:80:80", "::1", "[::1",
            "[]", "[::1]x", "[a/b]", "a]", "a, b", "ä", "a^b", "a:80/",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
