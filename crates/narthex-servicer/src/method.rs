//! One registered method: its handler, and how its messages become bytes.

use narthex_wire::Pieces;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::dialect::Dialect;

/// How many messages go each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cardinality {
    pub(crate) request_streaming: bool,
    pub(crate) response_streaming: bool,
}

impl Cardinality {
    /// The attribute of an `RpcMethodHandler` that holds the handler.
    fn attribute(self) -> &'static str {
        match (self.request_streaming, self.response_streaming) {
            (false, false) => "unary_unary",
            (false, true) => "unary_stream",
            (true, false) => "stream_unary",
            (true, true) => "stream_stream",
        }
    }
}

/// Where a handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A coroutine function: on the event loop.
    Coroutine,
    /// An asynchronous generator function: on the event loop.
    Generator,
    /// Anything else: on a lane.
    Sync,
}

/// One registered method.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) cardinality: Cardinality,
    pub(crate) kind: Kind,
    /// The `RpcMethodHandler` that this was read from.
    pub(crate) registered: Py<PyAny>,
    handler: Py<PyAny>,
    /// The handler takes a function to send its responses with, and may return before the last.
    pub(crate) sends_by_itself: bool,
    /// The threads that the handler has brought along.
    pub(crate) pool: Option<Py<PyAny>>,
    /// `None`: the handler takes bytes.
    deserializer: Option<Py<PyAny>>,
    /// `None`: the handler returns bytes.
    serializer: Option<Py<PyAny>>,
}

impl Method {
    /// Reads a `grpc.RpcMethodHandler`.
    pub(crate) fn new(handler: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = handler.py();
        let cardinality = Cardinality {
            request_streaming: handler.getattr(intern!(py, "request_streaming"))?.is_truthy()?,
            response_streaming: handler.getattr(intern!(py, "response_streaming"))?.is_truthy()?,
        };
        let deserializer = handler.getattr(intern!(py, "request_deserializer"))?;
        let serializer = handler.getattr(intern!(py, "response_serializer"))?;
        let function = handler.getattr(cardinality.attribute())?;
        if !function.is_callable() {
            return Err(PyTypeError::new_err(format!(
                "its {} is {}, which cannot be called",
                cardinality.attribute(),
                function.repr()?
            )));
        }
        let kind = kind_of(&function)?;
        Ok(Self {
            cardinality,
            kind,
            sends_by_itself: kind == Kind::Sync
                && cardinality.response_streaming
                && marked(&function, intern!(py, "experimental_non_blocking"))?
                    .is_some_and(|mark| mark.is_truthy().unwrap_or(false)),
            pool: pool_of(&function)?.filter(|_| kind == Kind::Sync),
            registered: handler.clone().unbind(),
            handler: function.unbind(),
            deserializer: (!deserializer.is_none()).then(|| deserializer.unbind()),
            serializer: (!serializer.is_none()).then(|| serializer.unbind()),
        })
    }

    pub(crate) fn handler<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.handler.bind(py)
    }

    /// What the handler gets for a message.
    pub(crate) fn deserialize<'py>(&self, py: Python<'py>, message: &Pieces) -> PyResult<Bound<'py, PyAny>> {
        let message = narthex_pyrt::joined(py, message.len(), message.iter())?;
        match &self.deserializer {
            Some(deserializer) => deserializer.bind(py).call1((message,)),
            None => Ok(message.into_any()),
        }
    }

    /// Gives `then` the bytes of what the handler returned or wrote.
    pub(crate) fn serialize<'py, R>(
        &self,
        dialect: Dialect,
        message: &Bound<'py, PyAny>,
        then: impl FnOnce(&Bound<'py, PyBytes>) -> R,
    ) -> PyResult<R> {
        let py = message.py();
        // As in grpc.aio, before the serializer sees it.
        let encoded = match message.cast::<PyString>() {
            Ok(text) => Some(text.encode_utf8()?.into_any()),
            Err(_) => None,
        };
        let message = encoded.as_ref().unwrap_or(message);
        match &self.serializer {
            Some(serializer) => {
                let serialized = serializer.bind(py).call1((message,))?;
                bytes_of(dialect, &serialized, "the response_serializer's result", then)
            }
            None => bytes_of(dialect, message, "the response of a method without response_serializer", then),
        }
    }
}

fn bytes_of<'py, R>(
    dialect: Dialect,
    message: &Bound<'py, PyAny>,
    what: &str,
    then: impl FnOnce(&Bound<'py, PyBytes>) -> R,
) -> PyResult<R> {
    let py = message.py();
    match message.cast::<PyBytes>() {
        Ok(bytes) => Ok(then(bytes)),
        Err(_) if message.is_none() && dialect.takes_none_for_empty() => Ok(then(&PyBytes::new(py, b""))),
        Err(_) => Ok(then(&PyBytes::new(py, &narthex_pyrt::to_bytes(message, what)?))),
    }
}

/// Decided once, at registration: `inspect` sees through partials and bound methods, but not through callable objects.
pub(crate) fn kind_of(function: &Bound<'_, PyAny>) -> PyResult<Kind> {
    let py = function.py();
    let inspect = py.import(intern!(py, "inspect"))?;
    let call = unwrapped(function)?.get_type().getattr(intern!(py, "__call__"))?;
    let is = |test: &Bound<'_, PyString>| {
        PyResult::Ok(
            inspect.call_method1(test, (function,))?.is_truthy()?
                || inspect.call_method1(test, (&call,))?.is_truthy()?,
        )
    };
    Ok(if is(intern!(py, "iscoroutinefunction"))? || is_marked(function)? {
        Kind::Coroutine
    } else if is(intern!(py, "isasyncgenfunction"))? {
        Kind::Generator
    } else {
        Kind::Sync
    })
}

/// The callable inside `functools.partial` objects.
fn unwrapped<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let partial = function.py().import("functools")?.getattr("partial")?;
    let mut function = function.clone();
    while function.is_instance(&partial)? {
        function = function.getattr("func")?;
    }
    Ok(function)
}

/// What a handler is marked with, by an attribute that grpc reads too.
fn marked<'py>(
    function: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(function.getattr_opt(name)?.filter(|mark| !mark.is_none()))
}

/// Its `experimental_thread_pool`, if that is one.
fn pool_of(function: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let py = function.py();
    let Some(pool) = marked(function, intern!(py, "experimental_thread_pool"))? else { return Ok(None) };
    let class = py.import("concurrent.futures")?.getattr("ThreadPoolExecutor")?;
    Ok(pool.is_instance(&class)?.then(|| pool.unbind()))
}

/// Until Python 3.12 gave `inspect` a mark of its own, frameworks (asgiref) put asyncio's on functions that return
/// coroutines without being coroutine functions.
fn is_marked(function: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = function.py();
    if py.version_info() >= (3, 12) {
        return Ok(false);
    }
    py.import("asyncio")?.call_method1("iscoroutinefunction", (function,))?.is_truthy()
}

#[cfg(test)]
mod tests {
    use pyo3::types::PyDict;

    use super::*;

    const SOURCE: &std::ffi::CStr = c"
import functools, types

async def coroutine(request, context): ...
def plain(request, context): ...
async def generator(request, context): yield

class Asynchronous:
    async def __call__(self, request, context): ...
    async def method(self, request, context): ...

class Plain:
    def __call__(self, request, context): ...

def handler(function, serializer=None):
    return types.SimpleNamespace(request_streaming=False, response_streaming=False, unary_unary=function,
                                 request_deserializer=None, response_serializer=serializer)
";

    fn method(py: Python<'_>, handler: &str) -> PyResult<Method> {
        let names = PyDict::new(py);
        py.run(SOURCE, Some(&names), None).unwrap();
        let handler = std::ffi::CString::new(handler).unwrap();
        Method::new(&py.eval(&handler, Some(&names), None).unwrap())
    }

    fn attached(test: impl FnOnce(Python<'_>)) {
        Python::initialize();
        narthex_pyrt::attach(test).unwrap();
    }

    #[test]
    fn coroutine_functions_are_told_from_others() {
        attached(|py| {
            for (function, kind) in [
                ("coroutine", Kind::Coroutine),
                ("functools.partial(coroutine)", Kind::Coroutine),
                ("Asynchronous().method", Kind::Coroutine),
                ("Asynchronous()", Kind::Coroutine),
                ("functools.partial(Asynchronous())", Kind::Coroutine),
                ("generator", Kind::Generator),
                ("functools.partial(generator)", Kind::Generator),
                ("plain", Kind::Sync),
                ("functools.partial(plain)", Kind::Sync),
                ("Plain()", Kind::Sync),
                ("len", Kind::Sync),
            ] {
                assert_eq!(method(py, &format!("handler({function})")).unwrap().kind, kind, "{function}");
            }
        });
    }

    #[test]
    fn a_handler_that_cannot_be_called_is_an_error() {
        attached(|py| {
            let error = method(py, "handler(None)").err().unwrap().to_string();
            assert!(error.contains("unary_unary"), "{error}");
            assert!(method(py, "5").is_err());
        });
    }

    #[test]
    fn messages_become_bytes() {
        attached(|py| {
            let raw = method(py, "handler(plain)").unwrap();
            let serialize_for = |dialect, method: &Method, value: &std::ffi::CStr| {
                let value = py.eval(value, None, None).unwrap();
                method.serialize(dialect, &value, |bytes| bytes.as_bytes().to_vec())
            };
            let serialize =
                |method: &Method, value: &std::ffi::CStr| serialize_for(Dialect::Aio, method, value);
            assert_eq!(serialize(&raw, c"b'ab'").unwrap(), b"ab");
            assert_eq!(serialize(&raw, c"bytearray(b'ab')").unwrap(), b"ab");
            assert_eq!(serialize(&raw, c"'\xc3\xa4'").unwrap(), b"\xc3\xa4");
            assert_eq!(serialize(&raw, c"None").unwrap(), b"");
            let refused = serialize_for(Dialect::Classic, &raw, c"None").unwrap_err().to_string();
            assert!(refused.contains("must be bytes, not NoneType"), "{refused}");
            let upper = method(py, "handler(plain, lambda message: message.upper())").unwrap();
            assert_eq!(serialize(&upper, c"b'ab'").unwrap(), b"AB");
            let wrong = method(py, "handler(plain, lambda message: 5)").unwrap();
            assert!(serialize(&wrong, c"b''").unwrap_err().to_string().contains("response_serializer"));
        });
    }
}
