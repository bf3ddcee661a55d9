//! What a scope says of the two ends of its connection.

use std::sync::Arc;

use narthex_wire::{Client, Endpoint, Origin};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Scopes that name their client and server, and nothing else of a request. A connection keeps its last one: its requests
/// mostly name the same two, and writing an address out costs more than the rest of a scope.
pub(crate) struct Begun {
    common: Py<PyDict>,
}

/// What a connection keeps.
struct Last {
    /// What the scope is a copy of: another application's requests may come by the same connection.
    common: Py<PyDict>,
    client: Client,
    scope: Py<PyDict>,
}

impl Begun {
    /// Scopes that begin as copies of `common`.
    pub(crate) fn new(common: Bound<'_, PyDict>) -> Self {
        Self { common: common.unbind() }
    }

    /// A new scope with the ends that `origin` has.
    pub(crate) fn scope<'py>(
        &self,
        py: Python<'py>,
        origin: Option<&Origin>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let Some(origin) = origin else { return self.common.bind(py).copy() };
        if let Some(last) = origin.connection.kept.get::<Last>()
            && last.client == origin.client
            && last.common.is(&self.common)
        {
            return last.scope.bind(py).copy();
        }
        let scope = self.begin(py, origin)?;
        let last = Last {
            common: self.common.clone_ref(py),
            client: origin.client.clone(),
            scope: scope.clone().unbind(),
        };
        origin.connection.kept.put(Arc::new(last));
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
    use narthex_wire::Connection;

    use super::*;

    fn origin(port: u16) -> Origin {
        let tcp = |port| Endpoint::Tcp(([127, 0, 0, 1], port).into());
        Origin::of(&Arc::new(Connection::plain(tcp(port), tcp(80))))
    }

    #[test]
    fn scopes_name_their_ends_and_are_never_shared() {
        Python::initialize();
        narthex_pyrt::attach(|py| {
            let common = PyDict::new(py);
            common.set_item("type", "http").unwrap();
            let begun = Begun::new(common);
            let first = origin(1);
            let proxied = Origin { client: Client::Forwarded([10, 0, 0, 1].into()), ..first.clone() };
            let cases = [(&first, "127.0.0.1", 1), (&first, "127.0.0.1", 1), (&proxied, "10.0.0.1", 0)];
            for (origin, ip, port) in cases.into_iter().chain(cases).chain([(&origin(2), "127.0.0.1", 2)]) {
                let scope = begun.scope(py, Some(origin)).unwrap();
                let item = |name| scope.get_item(name).unwrap().unwrap();
                assert_eq!(item("type").extract::<String>().unwrap(), "http");
                assert_eq!(item("client").extract::<(String, u16)>().unwrap(), (ip.into(), port));
                assert_eq!(item("server").extract::<(String, u16)>().unwrap(), ("127.0.0.1".into(), 80));
                assert_eq!(scope.len(), 3);
                scope.set_item("mine", port).unwrap();
            }
            let other = PyDict::new(py);
            other.set_item("type", "another application's").unwrap();
            let other = Begun::new(other).scope(py, Some(&first)).unwrap();
            assert_eq!(
                other.get_item("type").unwrap().unwrap().extract::<String>().unwrap(),
                "another application's"
            );
            assert_eq!(begun.scope(py, None).unwrap().len(), 1);
        })
        .unwrap();
    }

    #[test]
    fn what_was_kept_goes_with_its_connection() {
        Python::initialize();
        narthex_pyrt::attach(|py| {
            let begun = Begun::new(PyDict::new(py));
            let origin = origin(1);
            drop(begun.scope(py, Some(&origin)).unwrap());
            let last = origin.connection.kept.get::<Last>().unwrap();
            assert_eq!(Arc::strong_count(&last), 2);
            drop(origin);
            assert_eq!(Arc::strong_count(&last), 1);
        })
        .unwrap();
    }
}
