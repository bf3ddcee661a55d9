//! Connections: reading and writing that is tried first and waited for only when it would block.

use std::future::poll_fn;
use std::io;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketAddrUnix, SocketFlags,
    SocketType, ipproto, sockopt,
};

use super::Addr;
use crate::io::Io;
use crate::reactor::Reactor;
use crate::shared::Shared;

/// More is about to be written.
#[cfg(target_os = "linux")]
const MORE: SendFlags = SendFlags::MORE;
/// Elsewhere each write goes out by itself.
#[cfg(not(target_os = "linux"))]
const MORE: SendFlags = SendFlags::empty();

/// So little is copied together and not gathered by the system, whose sendmsg of two slices takes 50 to 60 ns longer than a send
/// (163 bytes over loopback, a virtual Xeon at 2.6 GHz).
const FLAT: usize = 512;

/// A TCP (without Nagle's delay) or UNIX connection.
///
/// Its calls take `&self`: one task may read while another writes. Two tasks that wait in one direction disturb each
/// other, only the later one is woken.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    peer: Addr,
    /// The system may hold some of what was written back.
    held: AtomicBool,
}

impl Stream {
    const fn new(io: Io, peer: Addr) -> Self {
        Self { io, peer, held: AtomicBool::new(false) }
    }

    pub(super) fn accepted(shared: &Arc<Shared>, fd: OwnedFd, peer: Addr) -> io::Result<Self> {
        without_delay(&fd, &peer);
        Ok(Self::new(Io::new(shared, fd, false)?, peer))
    }

    /// Connects to a TCP address.
    ///
    /// # Errors
    ///
    /// The system's: refused, unreachable, timed out.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives the attempt up.
    pub async fn connect_tcp(reactor: &Reactor, address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        let started = rustix::net::connect(&fd, &address);
        Self::connected(reactor, fd, started, Addr::Tcp(address)).await
    }

    /// Connects to a UNIX socket.
    ///
    /// # Errors
    ///
    /// The system's; a listener whose backlog is full is `WouldBlock`, for there is nothing to wait on.
    pub async fn connect_unix(reactor: &Reactor, path: &Path) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let started = rustix::net::connect(&fd, &SocketAddrUnix::new(path)?);
        Self::connected(reactor, fd, started, Addr::Unix(Some(path.to_owned()))).await
    }

    /// A connected UNIX socket that was made elsewhere, as one of a pair.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn adopt(reactor: &Reactor, socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::new(Io::new(reactor.shared(), socket.into(), false)?, Addr::Unix(None)))
    }

    async fn connected(
        reactor: &Reactor,
        fd: OwnedFd,
        started: Result<(), Errno>,
        peer: Addr,
    ) -> io::Result<Self> {
        without_delay(&fd, &peer);
        match started {
            Ok(()) => Ok(Self::new(Io::new(reactor.shared(), fd, false)?, peer)),
            Err(Errno::INPROGRESS | Errno::INTR) => {
                let io = Io::new(reactor.shared(), fd, true)?;
                // The first event of a connecting socket is its outcome.
                poll_fn(|context| io.poll_write(context, |fd| sockopt::socket_error(fd)?)).await?;
                Ok(Self::new(io, peer))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The other end.
    pub fn peer_addr(&self) -> &Addr {
        &self.peer
    }

    /// This end, asked of the system at each call.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::new(Some(rustix::net::getsockname(&self.io)?)))
    }

    /// Reads into the start of `buffer` and says how many bytes are initialized now; 0 is the end of the peer's data
    /// (or of an empty buffer). It never makes an initialized byte uninitialized.
    pub fn poll_read(
        &self,
        context: &Context<'_>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        let room = buffer.len();
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let read = |fd: BorrowedFd<'_>| {
            let ((filled, _), _) = rustix::net::recv(fd, &mut *buffer, RecvFlags::empty())?;
            Ok(filled.len())
        };
        self.io.poll_read(context, read, |count| *count < room)
    }

    /// Reads into `buffer`, all of which is initialized, as [`poll_read`](Self::poll_read) does.
    pub fn poll_read_initialized(&self, context: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = |fd: BorrowedFd<'_>| {
            rustix::net::recv(fd, &mut *buffer, RecvFlags::empty()).map(|(_, count)| count)
        };
        self.io.poll_read(context, read, |_| false)
    }

    /// Writes the start of `bytes` and says how much.
    pub fn poll_write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write(context, |fd| rustix::net::send(fd, bytes, SendFlags::NOSIGNAL))
    }

    /// Writes the start of all `slices` with one call and says how much.
    pub fn poll_write_vectored(
        &self,
        context: &Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, slices, SendFlags::empty())
    }

    /// Writes as [`poll_write_vectored`](Self::poll_write_vectored) does, and has the system hold back what does not fill a
    /// packet: several long writes go out together and wake their reader once. The writer has to [push](Self::push) when
    /// nothing follows at once.
    pub fn poll_write_more(&self, context: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if !matches!(self.peer, Addr::Tcp(_)) {
            return self.poll_write_vectored(context, slices);
        }
        self.held.store(true, Ordering::Relaxed);
        self.poll_send(context, slices, MORE)
    }

    /// Sends what [`poll_write_more`](Self::poll_write_more) has left with the system.
    pub fn push(&self) {
        if self.held.swap(false, Ordering::Relaxed) {
            // Setting it anew sends what waits (tcp(7)). It fails only for a connection that is gone.
            let _ = sockopt::set_tcp_nodelay(&self.io, true);
        }
    }

    fn poll_send(
        &self,
        context: &Context<'_>,
        slices: &[IoSlice<'_>],
        flags: SendFlags,
    ) -> Poll<io::Result<usize>> {
        // send and sendmsg, not write and writev: a peer that is gone must be an error, not a SIGPIPE.
        let flags = SendFlags::NOSIGNAL | flags;
        if slices.iter().map(|slice| slice.len()).sum::<usize>() <= FLAT {
            let mut flat = [0; FLAT];
            let bytes = joined(slices, &mut flat);
            return self.io.poll_write(context, |fd| rustix::net::send(fd, bytes, flags));
        }
        self.io.poll_write(context, |fd| {
            rustix::net::sendmsg(fd, slices, &mut SendAncillaryBuffer::default(), flags)
        })
    }

    /// Reads into `buffer` as [`poll_read`](Self::poll_read) does.
    ///
    /// # Errors
    ///
    /// The system's: reset by the peer, timed out.
    ///
    /// # Cancel safety
    ///
    /// Nothing was read when it is dropped before it is ready.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_read_initialized(context, buffer)).await
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// The system's: broken pipe, reset by the peer.
    ///
    /// # Cancel safety
    ///
    /// None: when it is dropped, some of the bytes may be written.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|context| self.poll_write(context, bytes)).await?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends our half of the connection; the peer reads to the end of what was written. One that is gone is no error.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn shutdown(&self) -> io::Result<()> {
        match rustix::net::shutdown(&self.io, Shutdown::Write) {
            Err(Errno::NOTCONN) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Lets a TCP connection end with a reset when it is closed, so that the peer cannot take its end for an ordinary one;
    /// what was written and is not sent yet is lost. UNIX connections have no such thing.
    pub fn reset_when_closed(&self) {
        if matches!(self.peer, Addr::Tcp(_)) {
            // It fails only for a connection that is gone already.
            let _ = sockopt::set_socket_linger(&self.io, Some(Duration::ZERO));
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

fn without_delay(fd: &OwnedFd, peer: &Addr) {
    if matches!(peer, Addr::Tcp(_)) {
        // It fails only for a connection that is broken already, which the first read tells better.
        let _ = sockopt::set_tcp_nodelay(fd, true);
    }
}

/// The bytes of all slices one after the other, for which there has to be room.
fn joined<'a>(slices: &[IoSlice<'_>], room: &'a mut [u8]) -> &'a [u8] {
    let mut length = 0;
    for slice in slices {
        room[length..][..slice.len()].copy_from_slice(slice);
        length += slice.len();
    }
    &room[..length]
}
