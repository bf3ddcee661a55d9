//! TLS by rustls: certificates and keys as PEM, the handshake, and its stream.
//!
//! Application protocols are HTTP/2 and HTTP/1.1, in this order of preference. What cryptography there is is ring's (see
//! docs/adr/0007). It does *not* read files, and knows no certificates by itself.

mod client;
mod handshake;
mod identity;
mod transport;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

pub(crate) use handshake::{Failure, Secured, handshake};
pub use identity::{ClientAuth, Identity};
use tokio_rustls::rustls::ServerConfig;
pub(crate) use transport::Transport;

/// What cannot be made into TLS settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The certificate chain is no PEM, or has no certificate.
    #[error("the certificate chain has no certificate in PEM form")]
    NoCertificate,
    /// The key is no PEM of a kind of key that is known.
    #[error("there is no private key in PEM form (PKCS #8, PKCS #1 or SEC1, not encrypted)")]
    NoKey,
    /// The key is not of a kind that can be used.
    #[error("the private key cannot be used: {0}")]
    BadKey(String),
    /// The key is not that of the first certificate.
    #[error("the private key is not that of the certificate")]
    Mismatch,
    /// The first certificate cannot be read.
    #[error("the certificate cannot be read: {0}")]
    BadCertificate(String),
    /// The authorities of clients' certificates have none.
    #[error("the client authorities have no certificate in PEM form")]
    NoAuthority,
    /// One of those cannot be used.
    #[error("a client authority cannot be used: {0}")]
    BadAuthority(String),
}

/// Settings for handshakes, ready to be used.
#[derive(Clone)]
pub struct Terms(pub(crate) Arc<ServerConfig>);

/// The [`Terms`] of the next connection, once they are known.
pub type TermsFuture = Pin<Box<dyn Future<Output = Terms> + Send>>;

/// How a listener's connections are secured.
#[derive(Clone)]
pub struct Tls(Source);

#[derive(Clone)]
enum Source {
    Fixed(Terms),
    Asked(Arc<dyn Fn() -> TermsFuture + Send + Sync>),
}

impl Tls {
    /// The same terms for every connection.
    pub fn new(terms: Terms) -> Self {
        Self(Source::Fixed(terms))
    }

    /// Terms that are asked for anew with every connection, within its handshake's time.
    pub fn asked(ask: impl Fn() -> TermsFuture + Send + Sync + 'static) -> Self {
        Self(Source::Asked(Arc::new(ask)))
    }

    async fn terms(&self) -> Terms {
        match &self.0 {
            Source::Fixed(terms) => terms.clone(),
            Source::Asked(ask) => ask().await,
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms").finish_non_exhaustive()
    }
}
