//! The handshake, and what it has settled.

use std::io;

use bytes::{Bytes, BytesMut};
use narthex_reactor::net::Stream;
use narthex_wire::Security;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{HandshakeKind, NamedGroup, ServerConnection};

use super::client::certificate;
use super::transport::{Raw, Transport};
use super::{Terms, Tls};

/// The type of the record that a client begins with (RFC 8446 5.1).
const HANDSHAKE: u8 = 22;
/// As much as most first messages of clients have.
const FIRST_READ: usize = 2048;

/// A connection without TLS where there should be.
pub(crate) enum Failure {
    /// The client speaks something else; this was all that has been read.
    NotTls(Stream),
    /// The client is gone, or both do not agree; it was told why by an alert.
    Refused(io::Error),
}

/// The connection with TLS on it, what was settled, and whether the client wants HTTP/2; unknown where it did not say.
pub(crate) struct Secured {
    pub(crate) transport: Transport,
    pub(crate) security: Security,
    pub(crate) http2: Option<bool>,
}

/// Shakes hands. It may be dropped at any time, which ends the connection.
pub(crate) async fn handshake(stream: Stream, tls: &Tls) -> Result<Secured, Failure> {
    let mut first = BytesMut::zeroed(FIRST_READ);
    let read = stream.read(&mut first).await.map_err(Failure::Refused)?;
    if read == 0 {
        return Err(Failure::Refused(io::ErrorKind::UnexpectedEof.into()));
    }
    if first[0] != HANDSHAKE {
        return Err(Failure::NotTls(stream));
    }
    first.truncate(read);
    shake(stream, first.freeze(), tls.terms().await).await.map_err(Failure::Refused)
}

async fn shake(stream: Stream, first: Bytes, Terms(config): Terms) -> io::Result<Secured> {
    let stream = TlsAcceptor::from(config).accept(Raw::new(stream, first)).await?;
    let (_, session) = stream.get_ref();
    let http2 = session.alpn_protocol().map(|protocol| protocol == b"h2");
    let security = settled(session);
    Ok(Secured { transport: Transport::Tls(Box::new(stream)), security, http2 })
}

fn settled(session: &ServerConnection) -> Security {
    Security {
        version: session.protocol_version().map_or(0, u16::from),
        cipher_suite: session.negotiated_cipher_suite().map_or(0, |suite| u16::from(suite.suite())),
        key_exchange_group: session
            .negotiated_key_exchange_group()
            .and_then(|group| group_name(group.name())),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        server_name: session.server_name().map(str::to_owned),
        client: session.peer_certificates().and_then(certificate),
    }
}

/// As OpenSSL and its relatives name it.
fn group_name(group: NamedGroup) -> Option<&'static str> {
    match group {
        NamedGroup::secp256r1 => Some("P-256"),
        NamedGroup::secp384r1 => Some("P-384"),
        NamedGroup::secp521r1 => Some("P-521"),
        group => group.as_str(),
    }
}
