//! Which peers may send HTTP over gRPC.
//!
//! Whoever may call the method chooses the method and path that the application sees, past whatever an HTTP proxy in
//! front forbids. So trust is in the connection's real peer, never in what a header says.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use narthex_wire::Endpoint;

/// The peers that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    networks: Vec<IpNet>,
    unix: bool,
}

impl Trust {
    /// Trust in these networks and, if `unix`, in every peer on a UNIX socket.
    pub fn new(networks: Vec<IpNet>, unix: bool) -> Self {
        Self { networks, unix }
    }

    /// Trust in this machine alone: `127.0.0.0/8` and `::1`.
    pub fn loopback() -> Self {
        Self::parse(["127.0.0.0/8", "::1/128"]).expect("both are networks")
    }

    /// Reads networks (`10.0.0.0/8`, `::1`) and the word `unix`.
    ///
    /// # Errors
    ///
    /// [`TrustError`] for the first item that is neither.
    pub fn parse<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Result<Self, TrustError> {
        let mut trust = Self::default();
        for item in items {
            let item = item.as_ref().trim();
            if item == "unix" {
                trust.unix = true;
            } else if let Ok(network) = item.parse::<IpNet>() {
                trust.networks.push(network);
            } else if let Ok(address) = item.parse::<IpAddr>() {
                trust.networks.push(address.into());
            } else {
                return Err(TrustError { item: item.to_owned() });
            }
        }
        Ok(trust)
    }

    /// Whether this peer is one of them. An IPv4 address on an IPv6 socket counts as IPv4.
    pub fn allows(&self, peer: &Endpoint) -> bool {
        match peer {
            Endpoint::Tcp(address) => {
                let ip = address.ip().to_canonical();
                self.networks.iter().any(|network| network.contains(&ip))
            }
            Endpoint::Unix(_) => self.unix,
        }
    }
}

/// An item that names no peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustError {
    item: String,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = &self.item;
        write!(f, "{item:?} is no network: write one such as 10.0.0.0/8, an address, or the word unix")
    }
}

impl std::error::Error for TrustError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(items: &[&str], peer: &str, expect: bool) {
        let peer = match peer {
            "unix" => Endpoint::Unix(None),
            address => Endpoint::Tcp(address.parse().expect("an address with a port")),
        };
        let trust = Trust::parse(items).expect("these items are valid");
        assert_eq!(trust.allows(&peer), expect, "{items:?} {peer}");
    }

    #[test]
    fn only_the_named_peers() {
        check(&["127.0.0.0/8"], "127.1.2.3:4", true);
        check(&["127.0.0.0/8"], "128.0.0.1:4", false);
        check(&["127.0.0.0/8"], "[::1]:4", false);
        check(&["127.0.0.0/8"], "[::ffff:127.0.0.1]:4", true);
        check(&["10.0.0.1", "::1"], "10.0.0.1:4", true);
        check(&["10.0.0.1", "::1"], "10.0.0.2:4", false);
        check(&["10.0.0.1", "::1"], "[::1]:4", true);
        check(&["10.0.0.0/8"], "unix", false);
        check(&["unix"], "unix", true);
        check(&["unix"], "127.0.0.1:1", false);
        check(&[], "127.0.0.1:1", false);
        check(&["0.0.0.0/0"], "8.8.8.8:1", true);
    }

    #[test]
    fn loopback_is_this_machine() {
        assert!(Trust::loopback().allows(&Endpoint::Tcp("127.0.0.1:1".parse().unwrap())));
        assert!(Trust::loopback().allows(&Endpoint::Tcp("[::1]:1".parse().unwrap())));
        assert!(!Trust::loopback().allows(&Endpoint::Tcp("10.0.0.1:1".parse().unwrap())));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for item in ["*", "", "localhost", "10.0.0.0/33"] {
            let error = Trust::parse(["127.0.0.1", item]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{item:?} is no network")), "{error}");
        }
    }
}
