//! WSGI (PEP 3333): the application is a function that is called on a lane, and waits there for its request's body and for
//! room for its response.
//!
//! The exchange, what it holds and what bounds it, is the one that ASGI applications have; only how Python is called differs.

mod call;
mod environ;
mod input;
mod start_response;

use pyo3::prelude::*;

pub(crate) use self::call::Call;
use self::environ::EnvironTemplate;

/// A WSGI application and what is the same in all its calls.
pub(crate) struct Wsgi {
    function: Py<PyAny>,
    template: EnvironTemplate,
}

impl Wsgi {
    pub(crate) fn new(function: &Bound<'_, PyAny>, root_path: &str) -> PyResult<Self> {
        let template = EnvironTemplate::new(function.py(), root_path)?;
        Ok(Self { function: function.clone().unbind(), template })
    }
}
