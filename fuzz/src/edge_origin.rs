//! What a request says of its host, and what a trusted proxy says of its client.

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use narthex_edge::fuzzing::{is_host, origin};

/// The target.
pub fn run(data: &[u8]) {
    let (host, headers) = parse(data);
    // Whoever builds a URL of a host that passed must get that host, and nothing of it elsewhere.
    if is_host(host)
        && let Ok(text) = std::str::from_utf8(host)
        && let Ok(uri) = format!("http://{text}/path").parse::<Uri>()
    {
        assert_eq!((uri.authority().map(Authority::as_str), uri.path()), (Some(text), "/path"));
    }
    let plain = origin(&HeaderMap::new(), &["*"]);
    assert_eq!(origin(&headers, &["10.0.0.0/8"]), plain, "the peer was not trusted");
    let (_, _, host) = origin(&headers, &["127.0.0.0/8", "10.0.0.0/8"]);
    assert!(host.is_none_or(|host| !host.is_empty() && !host.contains(&b',')));
}

/// A host in the first line, headers in the others.
fn parse(data: &[u8]) -> (&[u8], HeaderMap) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let host = lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for line in lines {
        let end = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..end], line.get(end + 1..).unwrap_or_default());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()))
        {
            headers.append(name, value);
        }
    }
    (host, headers)
}
