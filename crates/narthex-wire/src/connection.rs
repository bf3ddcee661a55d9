//! What the edge knows of a request's transport, and what an answer tells the edge: typed extensions.
//!
//! [`Origin`] is the one request extension that the edge puts in; [`Flow`] is a response extension.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, StatusCode, Uri};

use crate::kept::Kept;
use crate::protocol::is_grpc;
use crate::upload::Upload;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A UNIX socket; a client's has usually no path.
    Unix(Option<PathBuf>),
}

impl Endpoint {
    /// The IP address, if this is not a UNIX socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:"),
        }
    }
}

/// The real transport of a request, whatever its headers say: trust is decided by this alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The other end.
    pub peer: Endpoint,
    /// Our end.
    pub local: Endpoint,
    /// What TLS has settled; `None` in the clear.
    pub security: Option<Arc<Security>>,
    /// What a service has made for it.
    pub kept: Kept,
}

impl Connection {
    /// A connection in the clear.
    pub fn plain(peer: Endpoint, local: Endpoint) -> Self {
        Self { peer, local, security: None, kept: Kept::default() }
    }

    /// The scheme of its requests, as far as the transport itself tells.
    pub fn scheme(&self) -> Scheme {
        if self.security.is_some() { Scheme::Https } else { Scheme::Http }
    }
}

/// What a TLS handshake has settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// The number of the protocol version, as ASGI's `tls_version` has it: 0x0303 is TLS 1.2.
    pub version: u16,
    /// The number of the cipher suite in IANA's registry.
    pub cipher_suite: u16,
    /// What keys were exchanged in, by its usual name: `X25519`.
    pub key_exchange_group: Option<&'static str>,
    /// An earlier session was resumed.
    pub resumed: bool,
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// Who the client is, where it has shown a certificate; it has been verified.
    pub client: Option<ClientCertificate>,
}

/// A verified certificate of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and those that lead to its authority, as DER.
    pub chain: Vec<Vec<u8>>,
    /// Its subject, as RFC 4514 writes distinguished names.
    pub subject: String,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// Its subject alternative names.
    pub alternative_names: Vec<AlternativeName>,
}

/// A name that a certificate has for its subject; others than these are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// The name of a host.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// A URI.
    Uri(String),
    /// An email address.
    Email(String),
}

impl fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Uri(name) | Self::Email(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// Where a request comes from, and who from, once the `X-Forwarded-*` headers of trusted peers are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The transport that it came by.
    pub connection: Arc<Connection>,
    /// When its head had arrived; deadlines count from it.
    pub arrival: Instant,
    /// The client.
    pub client: Client,
    /// The scheme the client used.
    pub scheme: Scheme,
    /// The host the client asked for, where a trusted peer says that it differs from this request's own.
    pub host: Option<HeaderValue>,
    /// The receiving side of its body.
    pub upload: Upload,
}

impl Origin {
    /// The origin of a request that arrives just now, as its transport tells it.
    pub fn of(connection: &Arc<Connection>) -> Self {
        Self {
            connection: Arc::clone(connection),
            arrival: Instant::now(),
            client: Client::Peer(connection.peer.clone()),
            scheme: connection.scheme(),
            host: None,
            upload: Upload::default(),
        }
    }
}

/// The HTTP request that a gRPC call was made of: a request extension that the transcoder puts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its target, as it came.
    pub uri: Uri,
    /// Its Host header.
    pub host: Option<HeaderValue>,
}

/// A client: the peer itself, or the address that a trusted peer named, which has no port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// The connection's other end.
    Peer(Endpoint),
    /// From X-Forwarded-For.
    Forwarded(IpAddr),
}

impl Client {
    /// The IP address, if there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Peer(endpoint) => endpoint.ip(),
            Self::Forwarded(ip) => Some(*ip),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(endpoint) => endpoint.fmt(f),
            Self::Forwarded(ip) => ip.fmt(f),
        }
    }
}

/// The scheme of a request's URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Over TLS, somewhere before us or here.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The way a request took; a response extension that the access log and the tests read.
///
/// Read it with [`Flow::of`]: plain HTTP and gRPC are told from the content type, so only the layers that
/// translate need to set the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// To the web application.
    Http,
    /// JSON, transcoded to gRPC.
    Json,
    /// gRPC as it came.
    Grpc,
    /// gRPC-Web, translated to gRPC.
    GrpcWeb,
    /// Connect, translated to gRPC.
    Connect,
    /// HTTP that came inside a gRPC call, to the web application.
    HttpOverGrpc,
}

impl Flow {
    /// The flow that a response took: the extension where one is set, else told from its content type.
    pub fn of<B>(response: &Response<B>) -> Self {
        match response.extensions().get::<Self>() {
            Some(flow) => *flow,
            None if is_grpc(response.headers()) => Self::Grpc,
            None => Self::Http,
        }
    }

    /// The word that the access log prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Json => "json",
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::Connect => "connect",
            Self::HttpOverGrpc => "http-over-grpc",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The HTTP request that came inside another: a response extension beside [`Flow::HttpOverGrpc`].
///
/// The outer request and status are the same for all of them (`POST`, one path, 200), so this is what a log should print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The inner request's method.
    pub method: Method,
    /// The inner request's path and query.
    pub target: Option<PathAndQuery>,
    /// The inner response's status.
    pub status: StatusCode,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flow_is_told_from_the_content_type_when_nobody_set_it() {
        let mut response = Response::new(());
        assert_eq!(Flow::of(&response), Flow::Http);
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc+proto"));
        assert_eq!(Flow::of(&response), Flow::Grpc);
        response.extensions_mut().insert(Flow::HttpOverGrpc);
        assert_eq!(Flow::of(&response), Flow::HttpOverGrpc);
    }

    #[test]
    fn clients_are_printed_for_the_log() {
        let v6 = Client::Peer(Endpoint::Tcp("[::1]:5".parse().unwrap()));
        assert_eq!(v6.to_string(), "[::1]:5");
        assert_eq!(Client::Forwarded("10.0.0.1".parse().unwrap()).to_string(), "10.0.0.1");
        assert_eq!(Endpoint::Unix(None).to_string(), "unix:");
        assert_eq!(Endpoint::Unix(Some("/run/n.sock".into())).to_string(), "unix:/run/n.sock");
    }
}
