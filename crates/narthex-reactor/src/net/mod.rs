//! TCP and UNIX stream sockets on a reactor.
//!
//! All descriptors are close-on-exec and non-blocking. It is not a resolver (addresses come as numbers), and leaves to
//! the caller what is a decision: which file a UNIX socket may replace, and how long to pause when descriptors run out.

mod listener;
mod stream;

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::{ffi::OsStr, fmt};

pub use listener::{Listener, TcpOptions, is_exhaustion};
use rustix::net::{SocketAddrAny, SocketAddrUnix};
pub use stream::Stream;

/// The address of one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Addr {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A UNIX socket and its file; none where it has no name, as a client has not.
    Unix(Option<PathBuf>),
}

impl Addr {
    fn new(address: Option<SocketAddrAny>) -> Self {
        let Some(address) = address else { return Self::Unix(None) };
        if let Ok(address) = SocketAddr::try_from(address.clone()) {
            return Self::Tcp(address);
        }
        let unix = SocketAddrUnix::try_from(address).ok();
        let path = unix.as_ref().and_then(SocketAddrUnix::path);
        Self::Unix(path.map(|path| PathBuf::from(OsStr::from_bytes(path.to_bytes()))))
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:"),
        }
    }
}
