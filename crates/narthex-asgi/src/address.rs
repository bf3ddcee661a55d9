//! Addresses as scopes have them: pairs of text and port.

use std::net::IpAddr;

use narthex_wire::{Client, Endpoint};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustc_hash::FxHashMap;

/// How many pairs are kept.
const KEPT: usize = 1024;

/// The pairs that were made of late: a connection brings the same two with each request, and writing an address out costs
/// more than the rest of its scope. Tuples of text and numbers cannot be changed, so that requests may share them.
#[derive(Default)]
pub(crate) struct Addresses(Mutex<FxHashMap<(IpAddr, u16), Py<PyTuple>>>);

impl Addresses {
    /// A scope's `client`: the address of an end of the connection, or the one that a trusted proxy named.
    pub(crate) fn client<'py>(
        &self,
        py: Python<'py>,
        client: &Client,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match client {
            // The proxy says who, not from which port.
            Client::Forwarded(ip) => self.pair(py, *ip, 0).map(Some),
            Client::Peer(peer) => self.endpoint(py, peer),
        }
    }

    /// One end of a connection; a UNIX socket without a path has no address.
    pub(crate) fn endpoint<'py>(
        &self,
        py: Python<'py>,
        endpoint: &Endpoint,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match endpoint {
            Endpoint::Tcp(address) => self.pair(py, address.ip(), address.port()).map(Some),
            Endpoint::Unix(Some(path)) => Ok(Some((path.to_string_lossy(), py.None()).into_pyobject(py)?)),
            Endpoint::Unix(None) => Ok(None),
        }
    }

    fn pair<'py>(&self, py: Python<'py>, ip: IpAddr, port: u16) -> PyResult<Bound<'py, PyTuple>> {
        if let Some(kept) = self.0.lock().get(&(ip, port)) {
            return Ok(kept.bind(py).clone());
        }
        let pair: Bound<'py, PyTuple> = (ip.to_string(), port).into_pyobject(py)?;
        let mut pairs = self.0.lock();
        // Which of them are still of use nobody knows; those are soon made again.
        let old = if pairs.len() < KEPT { FxHashMap::default() } else { std::mem::take(&mut *pairs) };
        pairs.insert((ip, port), pair.clone().unbind());
        drop(pairs);
        drop(old);
        Ok(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_kept_up_to_a_number() {
        Python::initialize();
        narthex_pyrt::attach(|py| {
            let addresses = Addresses::default();
            let ip = IpAddr::from([127, 0, 0, 1]);
            let first = addresses.pair(py, ip, 1).unwrap();
            assert_eq!(first.extract::<(String, u16)>().unwrap(), ("127.0.0.1".to_owned(), 1));
            assert!(addresses.pair(py, ip, 1).unwrap().is(&first));
            assert!(!addresses.pair(py, ip, 2).unwrap().eq(&first).unwrap());
            for port in 0..5000 {
                let pair = addresses.pair(py, ip, port).unwrap();
                assert_eq!(pair.extract::<(String, u16)>().unwrap().1, port);
                assert!(addresses.0.lock().len() <= KEPT);
            }
        })
        .unwrap();
    }
}
