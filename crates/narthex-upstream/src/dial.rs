//! From an address to a connection: resolve, connect, shake hands, and hear the first words of HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use narthex_reactor::Reactor;
use narthex_reactor::net::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::address::{Address, Place};
use crate::connection::Connection;
use crate::options::Options;
use crate::resolve::Resolver;
use crate::trust::Trust;

/// As many addresses of a host are tried at most.
const MAX_ADDRESSES: usize = 16;
/// The pause between two of them (RFC 8305 5, "Connection Attempt Delay").
const PAUSE: Duration = Duration::from_millis(250);

/// What it takes to connect.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) reactor: Reactor,
    pub(crate) address: Address,
    pub(crate) trust: Trust,
    pub(crate) options: Options,
    pub(crate) resolver: Resolver,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("its name cannot be resolved: {0}")]
    Resolve(Arc<io::Error>),
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
    #[error("it takes no calls at present (SETTINGS_MAX_CONCURRENT_STREAMS is 0)")]
    NoStreams,
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

    async fn connect_tcp(&self, host: &str, port: u16) -> Result<Stream, DialError> {
        let addresses = self.resolver.resolve(host, port).await.map_err(DialError::Resolve)?;
        connect_any(&self.reactor, addresses).await.map_err(DialError::Connect)
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

/// The first of these that accepts. A connection is begun with one after the other, with a pause between the two unless the one
/// before has failed, and goes on beside the others (RFC 8305 5): one that never answers holds up nobody for long.
async fn connect_any(reactor: &Reactor, addresses: Vec<SocketAddr>) -> io::Result<Stream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    let mut addresses = addresses.into_iter().take(MAX_ADDRESSES).peekable();
    let mut attempts = FuturesUnordered::new();
    loop {
        if let Some(address) = addresses.next() {
            attempts.push(Stream::connect_tcp(reactor, address));
        } else if attempts.is_empty() {
            return Err(failed);
        }
        let ended = match addresses.peek() {
            Some(_) => reactor.within(PAUSE, attempts.next()).await.flatten(),
            None => attempts.next().await,
        };
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failed = error,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use futures_util::FutureExt as _;

    use super::*;

    /// A listener that answers nobody any more: its backlog is full, and the system drops what else comes.
    fn black_hole() -> (TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let short = Duration::from_millis(200);
        // Twice in vain: once may be this machine, that has other work.
        let connect = || (0..2).find_map(|_| TcpStream::connect_timeout(&address, short).ok());
        let waiting = std::iter::from_fn(connect);
        let waiting = waiting.take(100_000).collect();
        (listener, waiting)
    }

    fn connect(addresses: Vec<SocketAddr>) -> io::Result<()> {
        let reactor = Reactor::new().unwrap();
        let connecting = reactor.clone();
        let task = reactor.spawn(async move { connect_any(&connecting, addresses).await.map(drop) });
        reactor.driver().run_until_asked(|| task.is_finished());
        task.now_or_never().expect("it is finished")
    }

    #[test]
    fn an_address_that_never_answers_does_not_use_up_the_time() {
        let (hole, _waiting) = black_hole();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = vec![hole.local_addr().unwrap(), good.local_addr().unwrap()];
        let begin = Instant::now();
        connect(addresses).unwrap();
        assert!(begin.elapsed() >= PAUSE, "it was a black hole");
    }

    #[test]
    fn one_that_refuses_is_followed_by_the_next_at_once() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = vec![gone; MAX_ADDRESSES - 1].into_iter().chain([good.local_addr().unwrap()]);
        let begin = Instant::now();
        connect(addresses.collect()).unwrap();
        assert!(begin.elapsed() < PAUSE * 10, "not even most of the pauses are waited for");
        assert_eq!(connect(vec![gone, gone]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect(Vec::new()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
