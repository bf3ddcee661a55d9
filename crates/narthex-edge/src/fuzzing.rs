//! What `fuzz/` reaches of the readers that are nobody else's business; compiled for it alone.

use std::net::Ipv4Addr;
use std::sync::Arc;

use http::HeaderMap;
use narthex_wire::{Connection, Endpoint, Scheme, Trusted};

/// Follows the framing of an HTTP/1 connection.
#[derive(Debug, Default)]
pub struct Framing(crate::framing::Framing);

impl Framing {
    /// Looks at what was read; the number of the misframed head when it has come to one.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<u64> {
        self.0.feed(bytes)
    }

    /// Whether the last message has ended and nothing of the next has come.
    pub fn is_between(&self) -> bool {
        self.0.is_between()
    }
}

/// Whether this is a value that `Host` may have.
pub fn is_host(value: &[u8]) -> bool {
    crate::host::is_host(value)
}

/// The client, scheme and host of a request from 127.0.0.1 with these headers, where these peers are trusted.
pub fn origin(headers: &HeaderMap, trusted: &[&str]) -> (String, Scheme, Option<Vec<u8>>) {
    let tcp = |port| Endpoint::Tcp((Ipv4Addr::LOCALHOST, port).into());
    let connection = Arc::new(Connection::plain(tcp(5), tcp(80)));
    let trusted = Trusted::parse(trusted).expect("a fuzz target names valid peers");
    let believed = trusted.endpoint(&connection.peer);
    let origin = crate::forwarded::origin(&connection, headers, &trusted, believed);
    (origin.client.to_string(), origin.scheme, origin.host.map(|host| host.as_bytes().to_vec()))
}
