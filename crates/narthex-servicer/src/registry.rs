//! Which method a path names. It does not change once the server is made.

use std::sync::Arc;

use narthex_pyrt::log_exception;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMapping, PyTuple};
use rustc_hash::FxHashMap;

use crate::context;
use crate::method::Method;

/// All methods that were registered: by path, and through handlers that are asked path by path.
#[derive(Debug)]
pub struct Registry {
    methods: FxHashMap<String, Arc<Method>>,
    generic: Vec<Py<PyAny>>,
}

impl Registry {
    /// Reads `methods`, which maps `/pkg.Service/Method` to `grpc.RpcMethodHandler`. The handlers in `generic`
    /// (`grpc.GenericRpcHandler`) are asked, in their order, for paths that are not in it.
    ///
    /// # Errors
    ///
    /// `TypeError` naming the path whose handler is none.
    pub fn new(py: Python<'_>, methods: &Bound<'_, PyMapping>, generic: Vec<Py<PyAny>>) -> PyResult<Self> {
        context::register_with_grpc(py)?;
        let mut by_path = FxHashMap::default();
        for item in methods.items()? {
            let (path, handler): (String, Bound<'_, PyAny>) = item.extract()?;
            let method = Method::new(&handler).map_err(|error| {
                let refused =
                    PyTypeError::new_err(format!("{path}: not a grpc.RpcMethodHandler: {}", error.value(py)));
                refused.set_cause(py, Some(error));
                refused
            })?;
            by_path.insert(path, Arc::new(method));
        }
        Ok(Self { methods: by_path, generic })
    }

    /// Whether a method is registered under this path. What only generic handlers know is not.
    pub fn contains(&self, path: &str) -> bool {
        self.methods.contains_key(path)
    }

    /// The paths of all registered methods, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(String::as_str)
    }

    /// The paths of the registered methods that stream, which are not served yet, in no order.
    pub fn streaming(&self) -> impl Iterator<Item = &str> {
        self.methods
            .iter()
            .filter(|(_, method)| !method.cardinality.is_unary())
            .map(|(path, _)| path.as_str())
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Arc<Method>> {
        self.methods.get(path)
    }

    pub(crate) fn has_generic(&self) -> bool {
        !self.generic.is_empty()
    }

    /// Asks the generic handlers.
    pub(crate) fn ask(
        &self,
        py: Python<'_>,
        path: &str,
        metadata: &Bound<'_, PyTuple>,
    ) -> PyResult<Option<Method>> {
        let details = details_class(py)?.call1((path, metadata))?;
        for handler in &self.generic {
            let found = handler.bind(py).call_method1(intern!(py, "service"), (&details,))?;
            if !found.is_none() {
                return Method::new(&found).map(Some);
            }
        }
        Ok(None)
    }
}

/// `HandlerCallDetails`: a named tuple, as in grpc, so that `_replace` works. It is one of grpc's own where grpc is there.
fn details_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || {
        let kwargs = PyDict::new(py);
        kwargs.set_item("module", "narthex._native")?;
        let fields = ("method", "invocation_metadata");
        let class = py.import("collections")?.call_method(
            "namedtuple",
            ("HandlerCallDetails", fields),
            Some(&kwargs),
        )?;
        if let Err(error) = context::register_abc(py, "grpc", "HandlerCallDetails", &class) {
            log_exception(py, "HandlerCallDetails could not be made known to grpc", &error);
        }
        PyResult::Ok(class.unbind())
    })?;
    Ok(class.bind(py))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &std::ffi::CStr = c"
import types

def handler(streaming=False):
    return types.SimpleNamespace(request_streaming=False, response_streaming=streaming, request_deserializer=None,
                                 response_serializer=None, unary_unary=print, unary_stream=print)

class Generic:
    def __init__(self, path): self.path = path
    def service(self, details):
        seen.append((details.method, tuple(details.invocation_metadata)))
        return handler() if details.method == self.path else None

seen = []
methods = {'/p.S/One': handler(), '/p.S/Many': handler(True)}
generic = [Generic('/p.G/A'), Generic('/p.G/B')]
";

    fn attached(test: impl FnOnce(&Bound<'_, PyDict>)) {
        Python::initialize();
        narthex_pyrt::attach(|py| {
            let names = PyDict::new(py);
            py.run(SOURCE, Some(&names), None).unwrap();
            test(&names);
        })
        .unwrap();
    }

    fn name<'py>(names: &Bound<'py, PyDict>, name: &str) -> Bound<'py, PyAny> {
        names.get_item(name).unwrap().unwrap()
    }

    fn registry(names: &Bound<'_, PyDict>) -> PyResult<Registry> {
        let methods = name(names, "methods").cast_into::<PyMapping>().unwrap();
        Registry::new(names.py(), &methods, name(names, "generic").extract().unwrap())
    }

    #[test]
    fn methods_are_found_by_path() {
        attached(|names| {
            let registry = registry(names).unwrap();
            let mut paths: Vec<_> = registry.paths().collect();
            paths.sort_unstable();
            assert_eq!(paths, ["/p.S/Many", "/p.S/One"]);
            assert_eq!(registry.streaming().collect::<Vec<_>>(), ["/p.S/Many"]);
            assert!(registry.contains("/p.S/One") && !registry.contains("/p.G/A"));
        });
    }

    #[test]
    fn generic_handlers_are_asked_in_their_order() {
        attached(|names| {
            let py = names.py();
            let registry = registry(names).unwrap();
            let metadata = PyTuple::new(py, [("k", "v")]).unwrap();
            assert!(registry.ask(py, "/p.G/B", &metadata).unwrap().is_some());
            assert_eq!(name(names, "seen").len().unwrap(), 2);
            assert!(registry.ask(py, "/p.G/A", &metadata).unwrap().is_some());
            assert_eq!(name(names, "seen").len().unwrap(), 3);
            assert!(registry.ask(py, "/p.G/C", &metadata).unwrap().is_none());
            let expect = py.eval(c"('/p.G/C', (('k', 'v'),))", None, None).unwrap();
            assert!(name(names, "seen").get_item(-1).unwrap().eq(expect).unwrap());
        });
    }

    #[test]
    fn a_wrong_handler_is_named() {
        attached(|names| {
            name(names, "methods").set_item("/p.S/Wrong", 5).unwrap();
            let error = registry(names).err().unwrap().to_string();
            assert!(error.contains("/p.S/Wrong: not a grpc.RpcMethodHandler"), "{error}");
        });
    }
}
