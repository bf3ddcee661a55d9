//! The application object and what is the same for all its requests.

use std::sync::Arc;
use std::time::Duration;

use narthex_pyrt::Runtime;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::scope::ScopeTemplate;
use crate::wsgi::Wsgi;

/// The specification that an application follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// ASGI 3.0: coroutines on the event loop.
    #[default]
    Asgi,
    /// WSGI (PEP 3333): functions on lanes.
    Wsgi,
}

/// What can be chosen about an [`App`].
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// How it is called.
    pub interface: Interface,
    /// Where the application is mounted: goes into the scope, and before the path, as in uvicorn.
    pub root_path: String,
    /// The largest request body; unlimited if `None`, since the application reads it as a stream.
    pub max_body: Option<u64>,
    /// How long an application may go on after its client has left before its response was complete; for ever if `None`.
    pub close_timeout: Option<Duration>,
}

/// An application on its event loop, or on the lanes beside it. Cheap to clone.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) callable: Callable,
    pub(crate) max_body: Option<u64>,
    pub(crate) close_timeout: Option<Duration>,
}

/// The object itself, with what is the same in all its calls.
pub(crate) enum Callable {
    Asgi(Asgi),
    Wsgi(Wsgi),
}

pub(crate) struct Asgi {
    pub(crate) function: Py<PyAny>,
    pub(crate) template: ScopeTemplate,
    /// The lifespan's state: filled by the application at start-up, copied into each scope.
    pub(crate) state: Py<PyDict>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// `app` itself if calling it runs nothing of it yet, as is so of coroutine functions; otherwise one around it.
///
/// An application may be a plain function that returns an awaitable of any kind. It is then called inside the task, so that
/// the context variables it sets are its request's own.
fn coroutine_function<'py>(app: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = app.py();
    let is_one = py.import("inspect")?.getattr("iscoroutinefunction")?;
    if is_one.call1((app,))?.is_truthy()?
        || is_one.call1((app.get_type().getattr("__call__")?,))?.is_truthy()?
    {
        return Ok(app.clone());
    }
    let source = c"
def around(app):
    async def call(scope, receive, send):
        await app(scope, receive, send)

    return call
";
    PyModule::from_code(py, source, c"narthex/asgi", c"narthex_asgi")?.call_method1("around", (app,))
}

impl App {
    /// The application `callable` on `runtime`'s event loop.
    pub fn new(runtime: Arc<Runtime>, callable: &Bound<'_, PyAny>, options: AppOptions) -> PyResult<Self> {
        let py = callable.py();
        let callable = match options.interface {
            Interface::Asgi => Callable::Asgi(Asgi {
                function: coroutine_function(callable)?.unbind(),
                template: ScopeTemplate::new(py, options.root_path)?,
                state: PyDict::new(py).unbind(),
            }),
            Interface::Wsgi => Callable::Wsgi(Wsgi::new(callable, &options.root_path)?),
        };
        Ok(Self(Arc::new(Inner {
            runtime,
            callable,
            max_body: options.max_body,
            close_timeout: options.close_timeout,
        })))
    }
}
