//! Interceptors: what runs before a method is looked up, once for each call.
//!
//! Theirs is one callable, put together when the server is made: each interceptor's `intercept_service` with the rest as its
//! continuation, and the look-up at the end. All that differs between calls is in the details that are handed through.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::glue;
use crate::method::{Kind, kind_of};
use crate::registry::Table;

/// All interceptors and the look-up, to be called with the call's details.
#[derive(Debug)]
pub(crate) enum Interception {
    /// `grpc.aio.ServerInterceptor`, and after them perhaps others: gives a coroutine, for the event loop.
    Asynchronous(Py<PyAny>),
    /// `grpc.ServerInterceptor` only: may block, on a lane.
    Synchronous(Py<PyAny>),
}

impl Interception {
    /// None without interceptors.
    ///
    /// # Errors
    ///
    /// `TypeError` for what is no interceptor, and for an asynchronous one behind a synchronous one, which cannot await it.
    pub(crate) fn new(
        py: Python<'_>,
        interceptors: &[Py<PyAny>],
        table: &Arc<Table>,
    ) -> PyResult<Option<Self>> {
        let (mut asynchronous, mut synchronous) = (Vec::new(), Vec::new());
        for interceptor in interceptors {
            let interceptor = interceptor.bind(py);
            let intercept = interceptor.getattr(intern!(py, "intercept_service")).map_err(|_| {
                PyTypeError::new_err(format!(
                    "{interceptor} is no interceptor: it has no method intercept_service"
                ))
            })?;
            match kind_of(&intercept)? {
                Kind::Coroutine if synchronous.is_empty() => asynchronous.push(intercept),
                Kind::Coroutine => {
                    return Err(PyTypeError::new_err(format!(
                        "{interceptor} is asynchronous and comes after a synchronous interceptor, which cannot await it; \
                         give the synchronous ones last"
                    )));
                }
                Kind::Generator | Kind::Sync => synchronous.push(intercept),
            }
        }
        if asynchronous.is_empty() && synchronous.is_empty() {
            return Ok(None);
        }
        let partial = py.import("functools")?.getattr("partial")?;
        let mut chain = Bound::new(py, LookUp(Arc::clone(table)))?.into_any();
        for intercept in synchronous.iter().rev() {
            chain = partial.call1((intercept, chain))?;
        }
        if asynchronous.is_empty() {
            return Ok(Some(Self::Synchronous(chain.unbind())));
        }
        chain = partial.call1((glue::called(py)?, chain))?;
        for intercept in asynchronous.iter().rev() {
            chain = partial.call1((intercept, chain))?;
        }
        Ok(Some(Self::Asynchronous(chain.unbind())))
    }
}

/// The last continuation: the handler for the details that it is called with, or None.
#[pyclass(frozen, module = "narthex._native")]
struct LookUp(Arc<Table>);

#[pymethods]
impl LookUp {
    fn __call__<'py>(&self, details: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.look_up(details)
    }
}
