//! Who a request comes from: the transport's peer, or whom a trusted peer names in `X-Forwarded-*`.
//!
//! Nothing here is authentication, and `Forwarded` (RFC 7239) is *not* read. The headers themselves stay in the request as
//! they came: applications have their own uses for them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use narthex_wire::{Client, Connection, Origin, Scheme};
pub use narthex_wire::{TrustError, Trusted};

use crate::host::is_host;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who sent this request, which has arrived just now. `believed` says whether the peer is in `trusted`, which is known once for a connection.
pub(crate) fn origin(
    connection: &Arc<Connection>,
    headers: &HeaderMap,
    trusted: &Trusted,
    believed: bool,
) -> Origin {
    let mut origin = Origin::of(connection);
    // One walk over the few names there are costs less than three searches.
    if believed && headers.keys().any(|name| name.as_str().starts_with("x-forwarded-")) {
        let hops = believe_client(&mut origin, headers, trusted);
        match nth_from_right(headers, &FORWARDED_PROTO, hops) {
            Some(b"https" | b"wss") => origin.scheme = Scheme::Https,
            Some(b"http" | b"ws") => origin.scheme = Scheme::Http,
            _ => {}
        }
        origin.host = nth_from_right(headers, &FORWARDED_HOST, hops)
            .filter(|host| !host.is_empty() && is_host(host))
            .and_then(|host| HeaderValue::from_bytes(host).ok());
    }
    origin
}

/// The rightmost address that no trusted proxy has, and how many trusted ones stand to its right.
///
/// Each proxy appends the address it saw, so what stands left of the first untrusted address is hearsay. An entry that
/// is no address ends the walk for the same reason.
fn believe_client(origin: &mut Origin, headers: &HeaderMap, trusted: &Trusted) -> usize {
    let mut hops = 0;
    let entries = headers.get_all(&FORWARDED_FOR).into_iter().rev().flat_map(entries_from_right);
    for (index, entry) in entries.enumerate() {
        let Some(ip) = parse_ip(entry) else { break };
        origin.client = Client::Forwarded(ip);
        hops = index;
        if !trusted.ip(ip) {
            break;
        }
    }
    hops
}

/// The value that the proxy `hops` before the last one wrote, or the leftmost where not every proxy adds its own.
fn nth_from_right<'a>(headers: &'a HeaderMap, name: &HeaderName, hops: usize) -> Option<&'a [u8]> {
    headers.get_all(name).into_iter().rev().flat_map(entries_from_right).take(hops + 1).last()
}

fn entries_from_right(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// An address, with or without a port and brackets.
fn parse_ip(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use narthex_wire::Endpoint;

    use super::*;

    fn ask(peer: &str, trusted: &[&str], headers: &[(&'static str, &str)]) -> Origin {
        let connection = Arc::new(Connection::plain(
            Endpoint::Tcp(peer.parse().unwrap()),
            Endpoint::Tcp("127.0.0.1:80".parse().unwrap()),
        ));
        let trusted = Trusted::parse(trusted).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let believed = trusted.endpoint(&connection.peer);
        origin(&connection, &map, &trusted, believed)
    }

    fn check_client(trusted: &[&str], forwarded_for: &[&str], expect: &str) {
        let headers: Vec<_> = forwarded_for.iter().map(|value| ("x-forwarded-for", *value)).collect();
        assert_eq!(ask("127.0.0.1:5", trusted, &headers).client.to_string(), expect, "{forwarded_for:?}");
    }

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        let headers = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
        ];
        let origin = ask("198.51.100.7:9", &["127.0.0.1"], &headers);
        assert_eq!(origin.client.to_string(), "198.51.100.7:9");
        assert_eq!(origin.scheme, Scheme::Http);
        assert_eq!(origin.host, None);
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        check_client(&["127.0.0.0/8"], &[], "127.0.0.1:5");
        check_client(&["127.0.0.0/8"], &["203.0.113.9"], "203.0.113.9");
        check_client(&["127.0.0.0/8"], &["6.6.6.6, 203.0.113.9"], "203.0.113.9");
        check_client(&["127.0.0.0/8", "10.0.0.0/8"], &["6.6.6.6, 203.0.113.9, 10.1.2.3"], "203.0.113.9");
        check_client(&["127.0.0.0/8", "10.0.0.0/8"], &["6.6.6.6", "203.0.113.9", "10.1.2.3"], "203.0.113.9");
        check_client(&["127.0.0.0/8", "10.0.0.0/8"], &["10.9.9.9, 10.1.2.3"], "10.9.9.9");
        check_client(&["*"], &["6.6.6.6, 203.0.113.9, 10.1.2.3"], "6.6.6.6");
    }

    #[test]
    fn addresses_come_with_ports_brackets_and_nonsense() {
        check_client(&["127.0.0.1"], &["203.0.113.9:4711"], "203.0.113.9");
        check_client(&["127.0.0.1"], &["[2001:db8::1]:4711"], "2001:db8::1");
        check_client(&["127.0.0.1"], &["[2001:db8::1]"], "2001:db8::1");
        check_client(&["127.0.0.1"], &["2001:db8::1"], "2001:db8::1");
        check_client(&["127.0.0.1"], &["::ffff:203.0.113.9"], "203.0.113.9");
        check_client(&["127.0.0.1"], &["unknown"], "127.0.0.1:5");
        check_client(&["127.0.0.1", "10.0.0.0/8"], &["6.6.6.6, _hidden, 10.0.0.1"], "10.0.0.1");
        check_client(&["127.0.0.1"], &["", ","], "127.0.0.1:5");
    }

    #[test]
    fn scheme_and_host_come_from_the_proxy_that_named_the_client() {
        let trusted = ["127.0.0.1", "10.0.0.0/8"];
        let one = ask(
            "127.0.0.1:5",
            &trusted,
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")],
        );
        assert_eq!(one.scheme, Scheme::Https);
        assert_eq!(one.host, Some(HeaderValue::from_static("a.example")));
        // The client wrote the leftmost values, the proxy at 10.0.0.1 the middle ones.
        let appended = [
            ("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.0.0.1"),
            ("x-forwarded-proto", "http, https, http"),
            ("x-forwarded-host", "evil.example, shop.example, inner"),
        ];
        let two = ask("127.0.0.1:5", &trusted, &appended);
        assert_eq!(two.scheme, Scheme::Https);
        assert_eq!(two.host, Some(HeaderValue::from_static("shop.example")));
        for host in ["", "a/b", "user@a", "a:b"] {
            let headers = [("x-forwarded-proto", "gopher"), ("x-forwarded-host", host)];
            let odd = ask("127.0.0.1:5", &trusted, &headers);
            assert_eq!((odd.scheme, odd.host), (Scheme::Http, None), "{host}");
        }
    }

    #[test]
    fn trust_is_parsed_and_bad_entries_are_all_named() {
        let trusted = Trusted::parse(["10.0.0.0/8", "192.0.2.1", "unix", " ::1 "]).unwrap();
        assert!(trusted.ip("10.1.1.1".parse().unwrap()));
        assert!(trusted.ip("::ffff:10.1.1.1".parse().unwrap()));
        assert!(trusted.ip("::1".parse().unwrap()));
        assert!(!trusted.ip("192.0.2.2".parse().unwrap()));
        assert!(trusted.endpoint(&Endpoint::Unix(None)));
        assert!(!Trusted::parse(["10.0.0.0/8"]).unwrap().endpoint(&Endpoint::Unix(None)));
        assert!(Trusted::default().endpoint(&Endpoint::Unix(None)));
        let error = Trusted::parse(["localhost", "10.0.0.0/8", "10.0.0.0/99"]).unwrap_err();
        assert_eq!(error.entries(), ["localhost", "10.0.0.0/99"]);
        assert!(error.to_string().starts_with("\"localhost\", \"10.0.0.0/99\" are no trusted peer: give"));
    }
}
