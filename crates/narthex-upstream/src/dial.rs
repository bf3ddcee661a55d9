//! From an address to a connection: resolve, connect, shake hands, and hear the first words of HTTP/2.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_channel::oneshot;
use narthex_reactor::Reactor;
use narthex_reactor::net::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::address::{Address, Place};
use crate::connection::Connection;
use crate::options::Options;
use crate::trust::Trust;

/// What it takes to connect.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) reactor: Reactor,
    pub(crate) address: Address,
    pub(crate) trust: Trust,
    pub(crate) options: Options,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("its name cannot be resolved: {0}")]
    Resolve(io::Error),
    #[error("{0}")]
    Connect(io::Error),
    #[error("TLS cannot be agreed on: {0}")]
    Tls(io::Error),
    #[error("it does not speak HTTP/2 over TLS, which gRPC needs")]
    NoHttp2,
    #[error("it does not speak HTTP/2: {0}")]
    Http2(h2::Error),
    #[error("it closed the connection before it said anything")]
    Closed,
    #[error("it did not answer within {0:?}")]
    Timeout(Duration),
}

/// What HTTP/2 is spoken over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Dialer {
    /// Connects, within the time for it.
    pub(crate) async fn dial(&self) -> Result<Connection, DialError> {
        let timeout = self.options.connect_timeout;
        self.reactor.within(timeout, self.connect()).await.unwrap_or(Err(DialError::Timeout(timeout)))
    }

    async fn connect(&self) -> Result<Connection, DialError> {
        let stream = match self.address.place() {
            Place::Tcp(host, port) => self.connect_tcp(host, *port).await?,
            Place::Unix(path) => self.connect_unix(path).await?,
        };
        let io: Box<dyn Io> = match self.address.place() {
            Place::Tcp(host, _) if self.address.is_secure() => self.shake_hands(stream, host).await?,
            _ => Box::new(stream),
        };
        Connection::establish(io, self).await
    }

    /// The first of the host's addresses that accepts. They are tried one after the other, without a time for each: one that
    /// never answers uses up the time for connecting.
    async fn connect_tcp(&self, host: &str, port: u16) -> Result<Stream, DialError> {
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        for address in resolve(host, port).await.map_err(DialError::Resolve)? {
            match Stream::connect_tcp(&self.reactor, address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(DialError::Connect(failed))
    }

    async fn connect_unix(&self, path: &Path) -> Result<Stream, DialError> {
        Stream::connect_unix(&self.reactor, path).await.map_err(DialError::Connect)
    }

    async fn shake_hands(&self, stream: Stream, host: &str) -> Result<Box<dyn Io>, DialError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| DialError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let connector = TlsConnector::from(Arc::clone(&self.trust.0));
        let stream = connector.connect(name, stream).await.map_err(DialError::Tls)?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Box::new(stream)),
            _ => Err(DialError::NoHttp2),
        }
    }
}

/// The addresses of a host, asked of the system anew each time: a name may move.
///
/// The system's resolver blocks, and is the only one that knows all that names are looked up in here. So it gets a thread while
/// it works; one that takes longer than an attempt to connect has its thread beside the next one's.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (found, is_found) = oneshot::channel();
    let host = host.to_owned();
    thread::Builder::new().name("narthex-resolve".to_owned()).spawn(move || {
        // Nobody waits any longer once the time for connecting is over.
        let _ = found.send((host.as_str(), port).to_socket_addrs().map(Vec::from_iter));
    })?;
    is_found.await.unwrap_or_else(|_| Err(io::Error::other("the resolver gave up")))
}
