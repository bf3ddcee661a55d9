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
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode as _, Encode as _};

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
        let provider = ring::default_provider();
        let certified = match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider) {
            Ok(certified) => certified,
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => return Err(TlsError::Mismatch),
            Err(Error::InvalidCertificate(error)) => match version_1(&chain) {
                Some(certificate) => of_version_1(&certificate, chain, key, &provider)?,
                None => return Err(TlsError::BadCertificate(format!("{error:?}"))),
            },
            Err(error) => return Err(TlsError::BadKey(error.to_string())),
        };
        Ok(Self(Arc::new(certified)))
    }
}

/// The first certificate, if it is of X.509's first version: what `openssl x509 -req` makes as long as it is told of no
/// extensions. rustls reads none of them; whether clients believe it is for them to say.
fn version_1(chain: &[CertificateDer<'_>]) -> Option<Certificate> {
    let certificate = Certificate::from_der(chain.first()?).ok()?;
    (certificate.tbs_certificate.version == Version::V1).then_some(certificate)
}

/// What [`CertifiedKey::from_der`] would make of it.
fn of_version_1(
    certificate: &Certificate,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let key =
        provider.key_provider.load_private_key(key).map_err(|error| TlsError::BadKey(error.to_string()))?;
    let said = certificate.tbs_certificate.subject_public_key_info.to_der();
    let said = said.map_err(|error| TlsError::BadCertificate(error.to_string()))?;
    match key.public_key() {
        Some(public) if public.as_ref() != said => Err(TlsError::Mismatch),
        _ => Ok(CertifiedKey::new(chain, key)),
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
