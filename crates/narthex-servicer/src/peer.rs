//! The peer's address as gRPC writes it: a URI of its naming scheme, brackets percent-encoded.

use std::net::SocketAddr;

use narthex_wire::{Connection, Endpoint};

/// `ipv4:1.2.3.4:5`, `ipv6:%5B::1%5D:5`, `unix:/path` or `unix:`; `unknown:` where no transport is known.
pub(crate) fn peer(connection: Option<&Connection>) -> String {
    match connection.map(|connection| &connection.peer) {
        Some(Endpoint::Tcp(address)) => match unmapped(*address) {
            SocketAddr::V4(address) => format!("ipv4:{address}"),
            SocketAddr::V6(address) => format!("ipv6:%5B{}%5D:{}", address.ip(), address.port()),
        },
        Some(Endpoint::Unix(Some(path))) => format!("unix:{}", path.display()),
        Some(Endpoint::Unix(None)) => "unix:".to_owned(),
        None => "unknown:".to_owned(),
    }
}

/// An IPv4 client of a socket that takes both families is an IPv4 client.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(endpoint: Endpoint, expect: &str) {
        let local = Endpoint::Unix(None);
        assert_eq!(peer(Some(&Connection::plain(endpoint, local))), expect);
    }

    #[test]
    fn peers_are_written_as_grpc_writes_them() {
        let tcp = |text: &str| Endpoint::Tcp(text.parse().unwrap());
        check(tcp("1.2.3.4:5"), "ipv4:1.2.3.4:5");
        check(tcp("[::1]:5"), "ipv6:%5B::1%5D:5");
        check(tcp("[::ffff:1.2.3.4]:5"), "ipv4:1.2.3.4:5");
        check(Endpoint::Unix(None), "unix:");
        check(Endpoint::Unix(Some("/run/n.sock".into())), "unix:/run/n.sock");
        assert_eq!(peer(None), "unknown:");
    }
}
