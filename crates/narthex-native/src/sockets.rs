//! Addresses that are claimed one by one, before there is an event loop or a server to serve them.

use std::mem;
use std::sync::Arc;

use narthex_edge::{Bind, BindProblem, Bound, TcpOptions};
use narthex_pyrt::Runtime;
use narthex_wire::Endpoint;
use parking_lot::Mutex;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::config::{Problem, parse_bind};
use crate::tls::{Renewal, Tls};

pyo3::create_exception!(
    narthex._native,
    BindError,
    PyException,
    "An address that cannot be had; its arguments are where, what, and what to do."
);

/// Claimed addresses; a server takes them over.
#[pyclass(frozen, module = "narthex._native")]
pub(crate) struct Sockets {
    claimed: Mutex<Claimed>,
}

#[derive(Default)]
struct Claimed {
    bound: Bound,
    renewals: Vec<Arc<Renewal>>,
}

#[pymethods]
impl Sockets {
    #[new]
    fn new() -> Self {
        Self { claimed: Mutex::default() }
    }

    /// Claims all of these addresses, `127.0.0.1:0` or `unix:/path`, or none, and returns their port (0 without one): those
    /// that leave it open get that of the one before. As with grpc, clients that come from now on wait to be served.
    #[pyo3(signature = (addresses, tls = None, *, dual_stack = false, reuse_port = false))]
    fn bind(
        &self,
        addresses: Vec<String>,
        tls: Option<&Tls>,
        dual_stack: bool,
        reuse_port: bool,
    ) -> PyResult<u16> {
        let options = TcpOptions { dual_stack, reuse_port };
        let mut claimed = Bound::default();
        let mut port = 0;
        for address in addresses {
            let bind = match address.strip_prefix("unix:") {
                Some(path) => Bind::Unix(path.into()),
                None => parse_bind(&address).map_err(BindError::new_err)?,
            };
            let bind = match bind {
                Bind::Tcp(mut address) if address.port() == 0 => {
                    address.set_port(port);
                    Bind::Tcp(address)
                }
                other => other,
            };
            let local = claimed.bind(&bind, options, tls.map(Tls::edge)).map_err(|error| refused(&error))?;
            if let Endpoint::Tcp(address) = local {
                port = address.port();
            }
        }
        claimed.open(narthex_edge::Config::default().backlog).map_err(|error| refused(&error))?;
        let mut all = self.claimed.lock();
        all.bound.append(claimed);
        all.renewals.extend(tls.and_then(Tls::renewal).cloned());
        Ok(port)
    }

    /// Gives the addresses back.
    fn close(&self) {
        drop(mem::take(&mut *self.claimed.lock()));
    }
}

impl Sockets {
    /// What has been claimed so far, to be served on this runtime.
    pub(crate) fn take(&self, runtime: &Arc<Runtime>) -> Bound {
        let Claimed { bound, renewals } = mem::take(&mut *self.claimed.lock());
        for renewal in renewals {
            renewal.serve_on(runtime);
        }
        bound
    }
}

fn refused(error: &BindProblem) -> PyErr {
    BindError::new_err(problem(error))
}

/// The same, as Python prints it.
pub(crate) fn problem(error: &BindProblem) -> Problem {
    (error.place().to_owned(), error.message().to_owned(), error.hint().to_owned())
}
