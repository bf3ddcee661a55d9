//! Which method a path names. It does not change once the server is made.

use std::sync::Arc;

use narthex_pyrt::log_exception;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple};
use rustc_hash::FxHashMap;

use crate::context;
use crate::interception::Interception;
use crate::method::{Cardinality, Method};

/// All methods that were registered, and the interceptors before them.
#[derive(Debug)]
pub struct Registry {
    table: Arc<Table>,
    interception: Option<Interception>,
}

/// The methods by path, and the handlers that are asked path by path.
#[derive(Debug)]
pub(crate) struct Table {
    methods: FxHashMap<String, Arc<Method>>,
    generic: Vec<Py<PyAny>>,
}

impl Registry {
    /// Reads `methods`, which maps `/pkg.Service/Method` to `grpc.RpcMethodHandler`. The handlers in `generic`
    /// (`grpc.GenericRpcHandler`) are asked, in their order, for paths that are not in it. `interceptors` are those of
    /// grpc.aio and of grpc, the latter last.
    ///
    /// # Errors
    ///
    /// `TypeError` naming the path whose handler is none, or the interceptor that is none.
    pub fn new(
        py: Python<'_>,
        methods: &Bound<'_, PyMapping>,
        generic: Vec<Py<PyAny>>,
        interceptors: &[Py<PyAny>],
    ) -> PyResult<Self> {
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
        let table = Arc::new(Table { methods: by_path, generic });
        let interception = Interception::new(py, interceptors, &table)?;
        Ok(Self { table, interception })
    }

    /// Whether a method is registered under this path. What only generic handlers know is not.
    pub fn contains(&self, path: &str) -> bool {
        self.table.methods.contains_key(path)
    }

    /// The paths of all registered methods, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.table.methods.keys().map(String::as_str)
    }

    pub(crate) fn find(&self, path: &str) -> Found<'_> {
        if self.interception.is_some() {
            return Found::ByPython;
        }
        match self.table.methods.get(path) {
            Some(method) => Found::Method(method),
            None if self.table.generic.is_empty() => Found::Nothing,
            None => Found::ByPython,
        }
    }

    /// The paths of all registered methods, and whether one message goes each way, in no order.
    pub fn cardinalities(&self) -> impl Iterator<Item = (&str, bool)> {
        let is_unary = |kind: Cardinality| !kind.request_streaming && !kind.response_streaming;
        self.table.methods.iter().map(move |(path, method)| (path.as_str(), is_unary(method.cardinality)))
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn interception(&self) -> Option<&Interception> {
        self.interception.as_ref()
    }
}

/// What a path alone tells.
pub(crate) enum Found<'a> {
    Method(&'a Arc<Method>),
    /// Interceptors or generic handlers have to be asked.
    ByPython,
    Nothing,
}

impl Table {
    /// The handler for these `HandlerCallDetails`: a registered one, or the first that a generic handler gives.
    pub(crate) fn look_up<'py>(&self, details: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = details.py();
        let path = details.getattr(intern!(py, "method"))?;
        if let Some(method) = self.methods.get(path.cast::<PyString>()?.to_str()?) {
            return Ok(Some(method.registered.bind(py).clone()));
        }
        for handler in &self.generic {
            let found = handler.bind(py).call_method1(intern!(py, "service"), (details,))?;
            if !found.is_none() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The method of a handler that was found. One that is registered under the call's path was read before.
    pub(crate) fn method(&self, path: &str, handler: &Bound<'_, PyAny>) -> PyResult<Arc<Method>> {
        match self.methods.get(path) {
            Some(method) if method.registered.is(handler) => Ok(Arc::clone(method)),
            _ => Method::new(handler).map(Arc::new),
        }
    }
}

/// The `HandlerCallDetails` of a call.
pub(crate) fn details<'py>(
    py: Python<'py>,
    path: &str,
    metadata: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    details_class(py)?.call1((path, metadata))
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
        Registry::new(names.py(), &methods, name(names, "generic").extract().unwrap(), &[])
    }

    #[test]
    fn methods_are_found_by_path() {
        attached(|names| {
            let registry = registry(names).unwrap();
            let mut paths: Vec<_> = registry.paths().collect();
            paths.sort_unstable();
            assert_eq!(paths, ["/p.S/Many", "/p.S/One"]);
            assert!(registry.contains("/p.S/One") && !registry.contains("/p.G/A"));
        });
    }

    #[test]
    fn generic_handlers_are_asked_in_their_order() {
        attached(|names| {
            let py = names.py();
            let registry = registry(names).unwrap();
            let metadata = PyTuple::new(py, [("k", "v")]).unwrap();
            let asked =
                |path| registry.table().look_up(&details(py, path, &metadata).unwrap()).unwrap().is_some();
            assert!(asked("/p.G/B"));
            assert_eq!(name(names, "seen").len().unwrap(), 2);
            assert!(asked("/p.G/A"));
            assert_eq!(name(names, "seen").len().unwrap(), 3);
            assert!(!asked("/p.G/C"));
            let expect = py.eval(c"('/p.G/C', (('k', 'v'),))", None, None).unwrap();
            assert!(name(names, "seen").get_item(-1).unwrap().eq(expect).unwrap());
        });
    }

    #[test]
    fn a_registered_handler_is_read_once() {
        attached(|names| {
            let py = names.py();
            let registry = registry(names).unwrap();
            let details = details(py, "/p.S/One", &PyTuple::empty(py)).unwrap();
            let handler = registry.table().look_up(&details).unwrap().unwrap();
            let Found::Method(method) = registry.find("/p.S/One") else { panic!("it is registered") };
            assert!(Arc::ptr_eq(method, &registry.table().method("/p.S/One", &handler).unwrap()));
            assert!(!Arc::ptr_eq(method, &registry.table().method("/p.S/Many", &handler).unwrap()));
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
