//! Claiming addresses: binding comes before anything is served, and each problem says what to do about it.
//!
//! It does *not* resolve names; addresses come as numbers.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

pub use narthex_reactor::net::TcpOptions;
use narthex_reactor::net::{Addr, Listener};
use narthex_wire::{Endpoint, Scheme};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::tls::Tls;

/// An address to serve on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// An IP address and port; 0 takes a free one.
    Tcp(SocketAddr),
    /// The file of a UNIX socket.
    Unix(PathBuf),
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Addresses that are ours, and not served yet: clients are refused until [`Bound::serve`].
#[derive(Debug, Default)]
pub struct Bound {
    pub(crate) sockets: Vec<Socket>,
}

/// A bound socket. The file goes after the listener.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) bind: Bind,
    pub(crate) listener: Listener,
    pub(crate) tls: Option<Tls>,
    pub(crate) file: Option<SocketFile>,
}

impl Bound {
    /// Binds one more address, to be served by TLS or in the clear, and says which it became.
    ///
    /// The file that a UNIX socket's server left behind is replaced; one that a server listens on is not.
    ///
    /// # Errors
    ///
    /// Why the address cannot be had, and what to do.
    pub fn bind(
        &mut self,
        bind: &Bind,
        options: TcpOptions,
        tls: Option<Tls>,
    ) -> Result<Endpoint, BindProblem> {
        let socket = Socket::bind(bind, options, tls)?;
        let local = endpoint(socket.listener.local_addr().clone());
        self.sockets.push(socket);
        Ok(local)
    }

    /// Lets clients connect to all of them, and wait until they are served: nobody else can listen there from now on.
    ///
    /// # Errors
    ///
    /// An address that somebody else listens on since it was bound.
    pub fn open(&self, backlog: i32) -> Result<(), BindProblem> {
        let mut sockets = self.sockets.iter();
        sockets.try_for_each(|Socket { bind, listener, .. }| {
            listener.open(backlog).map_err(|error| BindProblem::new(bind, error))
        })
    }

    /// Adds what another has bound.
    pub fn append(&mut self, other: Self) {
        self.sockets.extend(other.sockets);
    }

    /// The addresses bound, with the ports that were taken, and the scheme of their URLs, in the order asked for.
    pub fn local(&self) -> impl Iterator<Item = (Endpoint, Scheme)> {
        self.sockets.iter().map(|socket| {
            let scheme = if socket.tls.is_some() { Scheme::Https } else { Scheme::Http };
            (endpoint(socket.listener.local_addr().clone()), scheme)
        })
    }
}

impl Socket {
    fn bind(bind: &Bind, options: TcpOptions, tls: Option<Tls>) -> Result<Self, BindProblem> {
        match bind {
            Bind::Tcp(address) => {
                let listener =
                    Listener::bind_tcp(*address, options).map_err(|error| BindProblem::new(bind, error))?;
                Ok(Self { bind: bind.clone(), listener, tls, file: None })
            }
            Bind::Unix(path) => {
                make_room(path).map_err(|Blocked { message, hint }| BindProblem {
                    place: bind.to_string(),
                    message: message.into(),
                    hint: hint.into(),
                    source: None,
                })?;
                let listener = Listener::bind_unix(path).map_err(|error| BindProblem::new(bind, error))?;
                // Whoever may reach the file may connect, as with uvicorn: folders are what keeps others out.
                fs::set_permissions(path, fs::Permissions::from_mode(0o666))
                    .map_err(|error| BindProblem::new(bind, error))?;
                Ok(Self { bind: bind.clone(), listener, tls, file: SocketFile::of(path) })
            }
        }
    }
}

/// What lies where a UNIX socket's file should be, and stays there.
struct Blocked {
    message: &'static str,
    hint: &'static str,
}

/// Removes the file of a socket that nobody listens on.
fn make_room(path: &Path) -> Result<(), Blocked> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(Blocked {
            message: "there is a file of this name, and it is not a socket",
            hint: "choose another path with --uds, or remove the file",
        });
    }
    if is_live(path) {
        return Err(Blocked {
            message: "another server listens on this socket",
            hint: "stop that server, or choose another path with --uds",
        });
    }
    // If it cannot be removed, bind says why.
    let _ = fs::remove_file(path);
    Ok(())
}

/// Whether somebody listens there: only "connection refused" is proof of the contrary.
fn is_live(path: &Path) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let tried = SocketAddrUnix::new(path).and_then(|address| {
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &address)
    });
    !matches!(tried, Err(Errno::CONNREFUSED | Errno::NOENT))
}

/// The file of a socket that is ours; removed when dropped, unless it has been replaced.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> Option<Self> {
        Some(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.identity) {
            // If it cannot be removed, the next server finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Addresses that cannot be had.
#[derive(Debug)]
pub struct BindError {
    pub(crate) problems: Vec<BindProblem>,
}

/// An address that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve on {place}: {message}; {hint}")]
pub struct BindProblem {
    place: String,
    message: String,
    hint: String,
    #[source]
    source: Option<io::Error>,
}

impl BindError {
    /// The addresses, one by one.
    pub fn problems(&self) -> &[BindProblem] {
        &self.problems
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for BindError {}

impl BindProblem {
    /// The address.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    pub(crate) fn new(bind: &Bind, error: io::Error) -> Self {
        let (message, hint) = match bind {
            Bind::Tcp(address) => explain_tcp(*address, &error),
            Bind::Unix(path) => explain_unix(path, &error),
        };
        Self { place: bind.to_string(), message, hint, source: Some(error) }
    }
}

fn explain_tcp(address: SocketAddr, error: &io::Error) -> (String, String) {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => (
            format!("port {port} is taken by another process"),
            format!(
                "find it with `ss -ltnp 'sport = :{port}'` and stop it, or choose another port with --bind"
            ),
        ),
        io::ErrorKind::AddrNotAvailable => (
            "no network interface of this machine has this address".into(),
            "bind one that it has, 127.0.0.1 for this machine alone or 0.0.0.0 for all interfaces".into(),
        ),
        io::ErrorKind::PermissionDenied => (
            format!("this user may not open port {port}"),
            "choose a port from 1024 on with --bind, or give the process CAP_NET_BIND_SERVICE".into(),
        ),
        _ => (error.to_string(), "choose another address with --bind".into()),
    }
}

fn explain_unix(path: &Path, error: &io::Error) -> (String, String) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match error.kind() {
        io::ErrorKind::NotFound => (
            "the folder does not exist".into(),
            format!("make {} or choose another path with --uds", folder.display()),
        ),
        io::ErrorKind::PermissionDenied => (
            "this user may not make a file there".into(),
            format!("give it write permission on {} or choose another path with --uds", folder.display()),
        ),
        io::ErrorKind::AddrInUse => (
            "the file cannot be replaced".into(),
            format!("remove {} or choose another path with --uds", path.display()),
        ),
        _ if Errno::from_io_error(error) == Some(Errno::NAMETOOLONG) => (
            "the path is too long for a UNIX socket, which allows 107 bytes".into(),
            "choose a shorter path with --uds".into(),
        ),
        _ => (error.to_string(), "choose another path with --uds".into()),
    }
}

pub(crate) fn endpoint(address: Addr) -> Endpoint {
    match address {
        Addr::Tcp(address) => Endpoint::Tcp(address),
        Addr::Unix(path) => Endpoint::Unix(path),
    }
}
