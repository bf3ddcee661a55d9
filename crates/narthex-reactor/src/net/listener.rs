//! Sockets that connections arrive at: bound first, listening when told to.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};

use super::{Addr, Stream};
use crate::io::Io;
use crate::reactor::Reactor;
use crate::shared::Shared;

/// A TCP or UNIX socket that accepts connections.
///
/// Binding and listening are apart, so that an address can be claimed as one of several checks before anything is
/// served, and before there is a reactor: clients are refused until [`listen`](Self::listen).
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    local: Addr,
}

#[derive(Debug)]
enum Socket {
    /// Not in the poller: epoll reports a socket that neither listens nor is connected as hung up.
    Bound(OwnedFd),
    Listening {
        shared: Arc<Shared>,
        io: Io,
    },
}

/// Who else a TCP address may serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// An IPv6 address takes IPv4 clients as well, where it is that of all interfaces.
    pub dual_stack: bool,
    /// Other processes of this user that say the same may bind the same port; the system spreads clients over them.
    pub reuse_port: bool,
}

impl Listener {
    /// Binds a TCP address, with `SO_REUSEADDR`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// The system's: address in use, not available here, or not permitted.
    pub fn bind_tcp(address: SocketAddr, options: TcpOptions) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = socket(family, Some(ipproto::TCP))?;
        sockopt::set_socket_reuseaddr(&fd, true)?;
        if address.is_ipv6() {
            // Without the option as asyncio does: so 0.0.0.0 and [::] can both be bound.
            sockopt::set_ipv6_v6only(&fd, !options.dual_stack)?;
        }
        if options.reuse_port {
            sockopt::set_socket_reuseport(&fd, true)?;
        }
        rustix::net::bind(&fd, &address)?;
        Self::new(fd)
    }

    /// Binds a UNIX socket, which makes the file `path`. The file is left there when the listener is dropped.
    ///
    /// # Errors
    ///
    /// The system's; a file that exists already, be it a stale socket, is "address in use".
    pub fn bind_unix(path: &Path) -> io::Result<Self> {
        let fd = socket(AddressFamily::UNIX, None)?;
        rustix::net::bind(&fd, &SocketAddrUnix::new(path)?)?;
        Self::new(fd)
    }

    fn new(fd: OwnedFd) -> io::Result<Self> {
        let local = Addr::new(Some(rustix::net::getsockname(&fd)?));
        Ok(Self { socket: Socket::Bound(fd), local })
    }

    /// The address it is bound to, with the port that was taken.
    pub fn local_addr(&self) -> &Addr {
        &self.local
    }

    /// Lets clients connect, and wait until [`listen`](Self::listen) and [`accept`](Self::accept) come.
    ///
    /// # Errors
    ///
    /// The system's: another socket listens there by now.
    pub fn open(&self, backlog: i32) -> io::Result<()> {
        Ok(rustix::net::listen(self, backlog)?)
    }

    /// Lets clients connect, to be accepted on this reactor; as many as `backlog` wait for that. Calling it again changes
    /// that number, and not the reactor.
    ///
    /// # Errors
    ///
    /// The system's: another socket listens there by now, or no room in the poller.
    pub fn listen(&mut self, reactor: &Reactor, backlog: i32) -> io::Result<()> {
        self.open(backlog)?;
        if let Socket::Bound(fd) = &self.socket {
            // The duplicate takes the place of the original, which goes.
            let shared = Arc::clone(reactor.shared());
            let io = Io::new(&shared, fd.try_clone()?, false)?;
            self.socket = Socket::Listening { shared, io };
        }
        Ok(())
    }

    /// Accepts a connection; see [`accept`](Self::accept).
    pub fn poll_accept(&self, context: &Context<'_>) -> Poll<io::Result<Stream>> {
        let Socket::Listening { shared, io } = &self.socket else {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "accept on a socket that does not listen; call listen first",
            )));
        };
        let accepted = io.poll_read(context, accept, |_| false);
        accepted.map(|accepted| {
            let (fd, peer) = accepted?;
            Stream::accepted(shared, fd, Addr::new(peer))
        })
    }

    /// Waits for a connection. Connections that failed before they could be accepted are passed over.
    ///
    /// # Errors
    ///
    /// Mostly [exhaustion](is_exhaustion): pause (the connections wait in the backlog), then accept again.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when it is dropped before it is ready.
    pub async fn accept(&self) -> io::Result<Stream> {
        poll_fn(|context| self.poll_accept(context)).await
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Bound(fd) => fd.as_fd(),
            Socket::Listening { io, .. } => io.as_fd(),
        }
    }
}

fn socket(family: AddressFamily, protocol: Option<rustix::net::Protocol>) -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        protocol,
    )
}

fn accept(fd: BorrowedFd<'_>) -> Result<(OwnedFd, Option<rustix::net::SocketAddrAny>), Errno> {
    // Tried again by `Io`, as an interrupted call is, so that a flood of broken connections cannot keep its task running.
    rustix::net::acceptfrom_with(fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
        .map_err(|error| if is_the_connections(error) { Errno::INTR } else { error })
}

/// Whether accept(2) reported an error of the connection it took from the backlog: that one is gone, the next may do. Not
/// `EPERM` and `EACCES`: a security module refuses the call so, before it takes anything, and would do so again at once.
fn is_the_connections(error: Errno) -> bool {
    matches!(
        error,
        Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::NONET
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
    )
}

/// Whether an error of [`Listener::accept`] says that descriptors or memory have run out, which passes.
pub fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC)
    )
}
