//! What a scope says of the two ends of its connection.

use std::net::IpAddr;

use narthex_wire::{Client, Endpoint, Origin};
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rustc_hash::FxHashMap;

/// How many scopes are kept.
const KEPT: usize = 512;

/// The addresses and ports of a client and of our end.
type Ends = (IpAddr, u16, IpAddr, u16);

/// Scopes that name their client and server, and nothing else of a request; those that were made of late are kept: the
/// requests of a connection name the same two, and writing an address out costs more than the rest of a scope.
pub(crate) struct Begun {
    common: Py<PyDict>,
    kept: Mutex<FxHashMap<Ends, Py<PyDict>>>,
}

impl Begun {
    /// Scopes that begin as copies of `common`.
    pub(crate) fn new(common: Bound<'_, PyDict>) -> Self {
        Self { common: common.unbind(), kept: Mutex::default() }
    }

    /// A new scope with the ends that `origin` has.
    pub(crate) fn scope<'py>(
        &self,
        py: Python<'py>,
        origin: Option<&Origin>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let Some(origin) = origin else { return self.common.bind(py).copy() };
        let Some(ends) = ends(origin) else { return self.begin(py, origin) };
        let kept = self.kept.lock().get(&ends).map(|kept| kept.clone_ref(py));
        if let Some(kept) = kept {
            return kept.bind(py).copy();
        }
        let scope = self.begin(py, origin)?;
        self.keep(ends, scope.clone().unbind());
        scope.copy()
    }

    fn begin<'py>(&self, py: Python<'py>, origin: &Origin) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.common.bind(py).copy()?;
        let client = match &origin.client {
            // The proxy says who, not from which port.
            Client::Forwarded(ip) => Some((ip.to_string(), 0).into_pyobject(py)?),
            Client::Peer(peer) => pair(py, peer)?,
        };
        scope.set_item(intern!(py, "client"), client)?;
        scope.set_item(intern!(py, "server"), pair(py, &origin.connection.local)?)?;
        Ok(scope)
    }

    fn keep(&self, ends: Ends, scope: Py<PyDict>) {
        let mut kept = self.kept.lock();
        // Which of them are still of use nobody knows; those are soon made again.
        let old = if kept.len() < KEPT { FxHashMap::default() } else { std::mem::take(&mut *kept) };
        kept.insert(ends, scope);
        drop(kept);
        drop(old);
    }
}

/// The ends, where both have addresses: others are rare.
fn ends(origin: &Origin) -> Option<Ends> {
    let (ip, port) = match &origin.client {
        Client::Forwarded(ip) => (*ip, 0),
        Client::Peer(Endpoint::Tcp(address)) => (address.ip(), address.port()),
        Client::Peer(Endpoint::Unix(_)) => return None,
    };
    let Endpoint::Tcp(local) = &origin.connection.local else { return None };
    Some((ip, port, local.ip(), local.port()))
}

/// A pair of text and port; a UNIX socket without a path has no address.
fn pair<'py>(py: Python<'py>, endpoint: &Endpoint) -> PyResult<Option<Bound<'py, PyTuple>>> {
    Ok(match endpoint {
        Endpoint::Tcp(address) => Some((address.ip().to_string(), address.port()).into_pyobject(py)?),
        Endpoint::Unix(Some(path)) => Some((path.to_string_lossy(), py.None()).into_pyobject(py)?),
        Endpoint::Unix(None) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use narthex_wire::Connection;

    use super::*;

    fn origin(port: u16) -> Origin {
        let tcp = |port| Endpoint::Tcp(([127, 0, 0, 1], port).into());
        Origin::of(&Arc::new(Connection { peer: tcp(port), local: tcp(80) }))
    }

    #[test]
    fn scopes_are_kept_up_to_a_number_and_never_shared() {
        Python::initialize();
        narthex_pyrt::attach(|py| {
            let common = PyDict::new(py);
            common.set_item("type", "http").unwrap();
            let begun = Begun::new(common);
            for port in (1..3).chain(1..5000) {
                let scope = begun.scope(py, Some(&origin(port))).unwrap();
                let item = |name| scope.get_item(name).unwrap().unwrap();
                assert_eq!(item("type").extract::<String>().unwrap(), "http");
                assert_eq!(item("client").extract::<(String, u16)>().unwrap(), ("127.0.0.1".into(), port));
                assert_eq!(item("server").extract::<(String, u16)>().unwrap(), ("127.0.0.1".into(), 80));
                assert_eq!(scope.len(), 3);
                scope.set_item("mine", port).unwrap();
                assert!(begun.kept.lock().len() <= KEPT);
            }
            let forwarded = Origin { client: Client::Forwarded([10, 0, 0, 1].into()), ..origin(1) };
            let client = begun.scope(py, Some(&forwarded)).unwrap().get_item("client").unwrap().unwrap();
            assert_eq!(client.extract::<(String, u16)>().unwrap(), ("10.0.0.1".into(), 0));
            assert_eq!(begun.scope(py, None).unwrap().len(), 1);
        })
        .unwrap();
    }
}
