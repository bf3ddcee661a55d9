//! Whose certificates an upstream may show, and which it is shown.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The authorities that are believed, by default nobody, and what is shown to upstreams. Cheap to clone.
#[derive(Clone)]
pub struct Trust(pub(crate) Arc<ClientConfig>);

/// Why there is nobody to believe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The system has no authorities, as some containers have not.
    #[error("this system has no certificates of authorities{0}")]
    System(String),
    /// The text has no certificate.
    #[error("there is no certificate in PEM form")]
    NoCertificate,
    /// One of its certificates is none of an authority.
    #[error("a certificate cannot be used: {0}")]
    BadCertificate(String),
}

impl Trust {
    /// The authorities of this system, as OpenSSL has them (`SSL_CERT_FILE` and `SSL_CERT_DIR` included).
    ///
    /// # Errors
    ///
    /// If there is not one. Single certificates that cannot be read are left out, as everywhere.
    pub fn system() -> Result<Self, TrustError> {
        let loaded = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(loaded.certs);
        if roots.is_empty() {
            let reason = loaded.errors.first().map_or_else(String::new, |error| format!(": {error}"));
            return Err(TrustError::System(reason));
        }
        Ok(Self::new(roots))
    }

    /// The authorities in this PEM text, and no others.
    ///
    /// # Errors
    ///
    /// If it has no certificate, or one that cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| TrustError::NoCertificate)?;
            roots.add(certificate).map_err(|error| TrustError::BadCertificate(error.to_string()))?;
        }
        if roots.is_empty() { Err(TrustError::NoCertificate) } else { Ok(Self::new(roots)) }
    }

    /// The same, showing this certificate to upstreams that ask for one.
    #[must_use]
    pub fn showing(&self, identity: impl Into<Arc<CertifiedKey>>) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity.into()));
        Self(Arc::new(config))
    }

    fn new(roots: RootCertStore) -> Self {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for both versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self(Arc::new(config))
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::new(RootCertStore::empty())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}
