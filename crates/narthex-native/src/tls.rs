//! TLS as Python gives it: files that the configuration names, or PEM that a program holds.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};

use futures_channel::oneshot;
use narthex_edge::{ClientAuth, Identity, Terms, Tls as EdgeTls, TlsError};
use narthex_pyrt::{Job, Runtime};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::config::Problem;

/// The files of `narthex serve`.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    pub(crate) identity: IdentityFiles<'a>,
    pub(crate) client_ca: Option<&'a Path>,
    pub(crate) client_required: bool,
}

impl Files<'_> {
    /// What they make, if there are any; everything that is wrong with them is a problem.
    pub(crate) fn read(&self, problems: &mut Vec<Problem>) -> Option<EdgeTls> {
        self.identity.cert?;
        let identity = self.identity.read(problems);
        let authorities = self.client_ca.map(|path| read("--tls-client-ca", path, problems));
        let clients = match &authorities {
            None => ClientAuth::No,
            Some(None) => return None,
            Some(Some(pem)) if self.client_required => ClientAuth::Required(pem),
            Some(Some(pem)) => ClientAuth::Optional(pem),
        };
        // The authorities are looked at even if there is nobody to show to them.
        let has_identity = identity.is_some();
        match Terms::new(identity.into_iter().collect(), clients) {
            Ok(terms) => has_identity.then(|| EdgeTls::new(terms)),
            Err(error) => {
                let place = self.client_ca.map_or_else(String::new, |path| place("--tls-client-ca", path));
                let hint = "give a PEM file with the certificates of the authorities that sign your clients'";
                problems.push((place, error.to_string(), hint.to_owned()));
                None
            }
        }
    }
}

/// A certificate's chain and its key, by the options that name their files.
#[derive(Debug)]
pub(crate) struct IdentityFiles<'a> {
    /// Of the chain, and of the key.
    pub(crate) options: [&'static str; 2],
    pub(crate) cert: Option<&'a Path>,
    /// `None`: it is in the file of the certificate.
    pub(crate) key: Option<&'a Path>,
}

impl IdentityFiles<'_> {
    /// What they are, if there are any; everything that is wrong with them is a problem.
    pub(crate) fn read(&self, problems: &mut Vec<Problem>) -> Option<Identity> {
        let cert_path = self.cert?;
        let key_path = self.key.unwrap_or(cert_path);
        let [cert_option, key_option] = self.options;
        let cert = read(cert_option, cert_path, problems);
        let key = read(key_option, key_path, problems);
        let (cert, key) = cert.zip(key)?;
        Identity::from_pem(&key, &cert)
            .map_err(|error| {
                let (is_of_cert, hint) = identity_hint(&error);
                let place =
                    if is_of_cert { place(cert_option, cert_path) } else { place(key_option, key_path) };
                problems.push((place, error.to_string(), hint.to_owned()));
            })
            .ok()
    }
}

fn place(option: &str, path: &Path) -> String {
    format!("{option} {}", path.display())
}

fn read(option: &str, path: &Path, problems: &mut Vec<Problem>) -> Option<Vec<u8>> {
    fs::read(path)
        .map_err(|error| {
            let hint = "give the path of a PEM file that this user may read".to_owned();
            let problem = (place(option, path), format!("cannot be read: {error}"), hint);
            // One file may be named twice.
            if !problems.iter().any(|(known, ..)| *known == problem.0) {
                problems.push(problem);
            }
        })
        .ok()
}

/// Whether it is the certificate that is wrong (and not its key), and what to do.
fn identity_hint(error: &TlsError) -> (bool, &'static str) {
    match error {
        TlsError::NoCertificate | TlsError::BadCertificate(_) => {
            (true, "give a PEM file with the certificate itself first, then those that lead to its authority")
        }
        TlsError::NoKey => (
            false,
            "give the PEM file of the certificate's private key; decrypt one that has a passphrase with `openssl pkey`",
        ),
        TlsError::Mismatch => (
            false,
            "give the key that the certificate was made for; both must have one `openssl pkey -pubout`",
        ),
        _ => (false, "make an RSA (2048 bits or more), ECDSA (P-256, P-384) or Ed25519 key"),
    }
}

/// TLS of one port of a server object.
#[pyclass(frozen, module = "narthex._native")]
pub(crate) struct Tls {
    terms: Terms,
    renewal: Option<Arc<Renewal>>,
}

#[pymethods]
impl Tls {
    /// `identities` are pairs of a private key and its certificate chain, `client_ca` the authorities of clients'
    /// certificates, all as PEM.
    #[new]
    #[pyo3(signature = (identities, client_ca = None, *, client_required = true))]
    fn new(
        identities: Vec<(Vec<u8>, Vec<u8>)>,
        client_ca: Option<&[u8]>,
        client_required: bool,
    ) -> PyResult<Self> {
        let refused = |error: TlsError| PyValueError::new_err(error.to_string());
        let identities = identities.into_iter().map(|(key, chain)| Identity::from_pem(&key, &chain));
        let identities = identities.collect::<Result<_, _>>().map_err(refused)?;
        let clients = match client_ca {
            None => ClientAuth::No,
            Some(pem) if client_required => ClientAuth::Required(pem),
            Some(pem) => ClientAuth::Optional(pem),
        };
        let terms = Terms::new(identities, clients).map_err(refused)?;
        Ok(Self { terms, renewal: None })
    }

    /// The same until `renew`, which is called on the event loop for each connection that comes, returns another one.
    fn renewed_by(&self, renew: Py<PyAny>) -> Self {
        let terms = self.terms.clone();
        let current = Mutex::new(terms.clone());
        let renewal = Arc::new(Renewal { renew, current, runtime: OnceLock::new() });
        Self { terms, renewal: Some(renewal) }
    }
}

impl Tls {
    /// As the edge takes it.
    pub(crate) fn edge(&self) -> EdgeTls {
        match &self.renewal {
            None => EdgeTls::new(self.terms.clone()),
            Some(renewal) => {
                let renewal = Arc::clone(renewal);
                EdgeTls::asked(move || Box::pin(Arc::clone(&renewal).ask()))
            }
        }
    }

    /// What has to know the runtime before it is served.
    pub(crate) fn renewal(&self) -> Option<&Arc<Renewal>> {
        self.renewal.as_ref()
    }
}

/// Terms that a program may replace with every connection.
pub(crate) struct Renewal {
    renew: Py<PyAny>,
    current: Mutex<Terms>,
    runtime: OnceLock<Weak<Runtime>>,
}

impl Renewal {
    /// From now on the program is asked on this runtime.
    pub(crate) fn serve_on(&self, runtime: &Arc<Runtime>) {
        // A port has one server, whose sockets are taken over once.
        let _ = self.runtime.set(Arc::downgrade(runtime));
    }

    async fn ask(self: Arc<Self>) -> Terms {
        if let Some(runtime) = self.runtime.get().and_then(Weak::upgrade) {
            let (renewed, is_renewed) = oneshot::channel();
            runtime.push(Ask { renewal: Arc::clone(&self), _renewed: renewed });
            // It says nothing: the job that holds the other end has run, or never will.
            let _ = is_renewed.await;
        }
        self.current.lock().clone()
    }
}

struct Ask {
    renewal: Arc<Renewal>,
    _renewed: oneshot::Sender<()>,
}

impl Job for Ask {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        let renewed = self
            .renewal
            .renew
            .bind(py)
            .call0()
            .and_then(|renewed| renewed.extract::<Option<PyRef<'_, Tls>>>().map_err(PyErr::from));
        match renewed {
            Ok(None) => {}
            Ok(Some(tls)) => *self.renewal.current.lock() = tls.terms.clone(),
            Err(error) => {
                narthex_pyrt::log_exception(py, "the certificates could not be renewed, and stay", &error);
            }
        }
    }
}
