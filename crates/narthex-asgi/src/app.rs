//! The application object and what is the same for all its requests.

use std::sync::Arc;

use narthex_pyrt::Runtime;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::scope::ScopeTemplate;

/// What can be chosen about an [`App`].
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// Where the application is mounted: goes into the scope, and before the path, as in uvicorn.
    pub root_path: String,
    /// The largest request body; unlimited if `None`, since the application reads it as a stream.
    pub max_body: Option<u64>,
}

/// An ASGI application on its event loop. Cheap to clone.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) callable: Py<PyAny>,
    pub(crate) template: ScopeTemplate,
    /// The lifespan's state: filled by the application at start-up, copied into each scope.
    pub(crate) state: Py<PyDict>,
    pub(crate) max_body: Option<u64>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    /// The application `callable` on `runtime`'s event loop.
    pub fn new(runtime: Arc<Runtime>, callable: &Bound<'_, PyAny>, options: AppOptions) -> PyResult<Self> {
        let py = callable.py();
        Ok(Self(Arc::new(Inner {
            runtime,
            callable: callable.clone().unbind(),
            template: ScopeTemplate::new(py, options.root_path)?,
            state: PyDict::new(py).unbind(),
            max_body: options.max_body,
        })))
    }
}
