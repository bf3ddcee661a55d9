//! What a server shows of itself and asks of its clients, from PEM.

use std::sync::Arc;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{
    ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::{Terms, TlsError};

/// A private key and the certificate chain that it belongs to.
#[derive(Debug)]
pub struct Identity(Arc<CertifiedKey>);

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default)]
pub enum ClientAuth<'a> {
    /// They are not asked.
    #[default]
    No,
    /// Those that have none are served too; one that these authorities (PEM) did not sign is refused.
    Optional(&'a [u8]),
    /// Only those with a certificate of one of these authorities (PEM) are served.
    Required(&'a [u8]),
}

impl Identity {
    /// Reads a key and its chain, the server's own certificate first, from PEM.
    ///
    /// # Errors
    ///
    /// What is wrong with them, or with the pair.
    pub fn from_pem(key: &[u8], chain: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(chain).ok_or(TlsError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        match CertifiedKey::from_der(chain, key, &ring::default_provider()) {
            Ok(certified) => Ok(Self(Arc::new(certified))),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(TlsError::Mismatch),
            Err(Error::InvalidCertificate(error)) => Err(TlsError::BadCertificate(format!("{error:?}"))),
            Err(error) => Err(TlsError::BadKey(error.to_string())),
        }
    }
}

impl From<Identity> for Arc<CertifiedKey> {
    /// As rustls has it, for whoever shows it to a server instead of being one.
    fn from(Identity(key): Identity) -> Self {
        key
    }
}

impl Terms {
    /// Terms on which a server shows one of these identities: the first that the client can verify and that has the name
    /// the client asks for, or else the first that it can verify.
    ///
    /// # Errors
    ///
    /// What is wrong with the clients' authorities.
    pub fn new(identities: Vec<Identity>, clients: ClientAuth<'_>) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier(clients, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for both versions of TLS");
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let keys = identities.into_iter().map(|Identity(key)| key).collect();
        let mut config = builder.with_cert_resolver(Arc::new(Identities(keys)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// All certificates of a PEM text; none if there is not one, or one that is broken.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty())
}

fn verifier(
    clients: ClientAuth<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let (pem, optional) = match clients {
        ClientAuth::No => return Ok(None),
        ClientAuth::Optional(pem) => (pem, true),
        ClientAuth::Required(pem) => (pem, false),
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem).ok_or(TlsError::NoAuthority)? {
        roots.add(authority).map_err(|error| TlsError::BadAuthority(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Some).map_err(|error| TlsError::BadAuthority(error.to_string()))
}

#[derive(Debug)]
struct Identities(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let verifiable =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name
            .filter(|_| self.0.len() > 1)
            .and_then(|name| self.0.iter().filter(verifiable).find(|key| has_name(key, &name)));
        named.or_else(|| self.0.iter().find(verifiable)).cloned()
    }
}

fn has_name(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = key.end_entity_cert().and_then(ParsedCertificate::try_from);
    parsed.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}
