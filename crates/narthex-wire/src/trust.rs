//! A list of peers that are believed, for whatever it is.
//!
//! Trust is in the real transport's other end ([`crate::Connection`]), never in what a header says.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::connection::Endpoint;

/// The peers that are believed.
///
/// By default those on this machine: loopback addresses and UNIX sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    nets: Vec<IpNet>,
    unix: bool,
}

impl Trusted {
    /// Nobody.
    pub const fn nobody() -> Self {
        Self { nets: Vec::new(), unix: false }
    }

    /// Reads a list: an address, a network in CIDR notation, `unix` for every UNIX socket, `*` for everybody.
    ///
    /// # Errors
    ///
    /// Names every entry that is none of these.
    pub fn parse<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, TrustError> {
        let mut trusted = Self::nobody();
        let mut bad = Vec::new();
        for entry in entries {
            match entry.as_ref().trim() {
                "unix" => trusted.unix = true,
                "*" => {
                    trusted.unix = true;
                    trusted.nets = vec![
                        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
                        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
                    ];
                }
                text => match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                    Ok(net) => trusted.nets.push(net),
                    Err(_) => bad.push(text.to_owned()),
                },
            }
        }
        if bad.is_empty() { Ok(trusted) } else { Err(TrustError { entries: bad }) }
    }

    /// Whether this end of a connection is trusted.
    pub fn endpoint(&self, endpoint: &Endpoint) -> bool {
        match endpoint {
            Endpoint::Tcp(address) => self.ip(address.ip()),
            Endpoint::Unix(_) => self.unix,
        }
    }

    /// Whether this address is trusted; an IPv4 address inside an IPv6 one (a dual-stack listener's) counts as itself.
    pub fn ip(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.nets.iter().any(|net| net.contains(&ip))
    }
}

impl Default for Trusted {
    fn default() -> Self {
        Self {
            nets: vec![
                IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
            unix: true,
        }
    }
}

/// Entries of a list of trusted peers that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustError {
    entries: Vec<String>,
}

impl TrustError {
    /// The entries in question.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.entries.iter().enumerate() {
            write!(f, "{}\"{entry}\"", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(if self.entries.len() == 1 { " is" } else { " are" })?;
        f.write_str(
            " no trusted peer: give an address (192.0.2.1), a network (10.0.0.0/8), \"unix\" for UNIX sockets \
             or \"*\" for everybody",
        )
    }
}

impl std::error::Error for TrustError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[&str], peer: &str, expect: bool) {
        let peer = match peer {
            "unix" => Endpoint::Unix(None),
            address => Endpoint::Tcp(address.parse().expect("an address with a port")),
        };
        let trusted = Trusted::parse(entries).expect("these entries are valid");
        assert_eq!(trusted.endpoint(&peer), expect, "{entries:?} {peer}");
    }

    #[test]
    fn only_the_named_peers() {
        check(&["127.0.0.0/8"], "127.1.2.3:4", true);
        check(&["127.0.0.0/8"], "128.0.0.1:4", false);
        check(&["127.0.0.0/8"], "[::1]:4", false);
        check(&["127.0.0.0/8"], "[::ffff:127.0.0.1]:4", true);
        check(&["10.0.0.1", " ::1 "], "10.0.0.1:4", true);
        check(&["10.0.0.1", "::1"], "10.0.0.2:4", false);
        check(&["10.0.0.1", "::1"], "[::1]:4", true);
        check(&["10.0.0.0/8"], "unix", false);
        check(&["unix"], "unix", true);
        check(&["unix"], "127.0.0.1:1", false);
        check(&[], "127.0.0.1:1", false);
        check(&["0.0.0.0/0"], "8.8.8.8:1", true);
        check(&["0.0.0.0/0"], "[2001:db8::1]:1", false);
        check(&["*"], "[2001:db8::1]:1", true);
        check(&["*"], "unix", true);
    }

    #[test]
    fn this_machine_unless_told_otherwise() {
        let trusted = Trusted::default();
        assert!(trusted.ip(Ipv4Addr::LOCALHOST.into()));
        assert!(trusted.ip(Ipv6Addr::LOCALHOST.into()));
        assert!(trusted.endpoint(&Endpoint::Unix(None)));
        assert!(!trusted.ip(Ipv4Addr::new(10, 0, 0, 1).into()));
        assert!(!Trusted::nobody().ip(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn every_bad_entry_is_named() {
        let error = Trusted::parse(["127.0.0.1", "localhost", "", "10.0.0.0/33"]).unwrap_err();
        assert_eq!(error.entries(), ["localhost", "", "10.0.0.0/33"]);
        assert!(
            error.to_string().starts_with("\"localhost\", \"\", \"10.0.0.0/33\" are no trusted peer"),
            "{error}"
        );
    }
}
