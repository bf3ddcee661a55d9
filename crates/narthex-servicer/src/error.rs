//! Exceptions and codes between Python and gRPC.

use narthex_wire::Code;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::dialect::Dialect;

/// `AbortError`, which ends a handler after `context.abort`.
pub(crate) fn abort_error(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    raised(py, &CLASS, "AbortError", "Locally aborted.")
}

/// `UsageError`: the context was used in a way, or at a time, that it cannot be.
pub(crate) fn usage_error(py: Python<'_>, message: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    raised(py, &CLASS, "UsageError", message)
}

/// `CancelledError`: the call is over for its client, which the handler's task is told in the same way.
pub(crate) fn cancelled_error() -> PyErr {
    CancelledError::new_err("the call is over")
}

/// `grpc.RpcError`: what a synchronous handler gets that reads from a client who is gone.
pub(crate) fn rpc_error(py: Python<'_>) -> PyErr {
    raised(py, &RPC_ERROR, "RpcError", "the call is over")
}

/// Whether it is one of these.
pub(crate) fn is_rpc_error(py: Python<'_>, error: &PyErr) -> bool {
    RPC_ERROR.get(py).is_some_and(|class| error.is_instance(py, class.bind(py)))
}

static RPC_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// An instance of a class of `narthex.grpc.errors`, imported with the first one: it imports grpc, which a process without
/// servicers need not have.
fn raised(py: Python<'_>, class: &PyOnceLock<Py<PyAny>>, name: &str, message: &str) -> PyErr {
    let instance = class
        .get_or_try_init(py, || Ok(py.import("narthex.grpc.errors")?.getattr(name)?.unbind()))
        .and_then(|class| class.bind(py).call1((message,)));
    match instance {
        Ok(instance) => PyErr::from_value(instance),
        Err(error) => error,
    }
}

/// `error`, raised while `before` was: told of with it, as Python's own `__context__` does.
pub(crate) fn during(py: Python<'_>, error: PyErr, before: Option<PyErr>) -> PyErr {
    let Some(before) = before else { return error };
    let is_among =
        |error: &PyErr, others: &PyErr| contexts(py, others).any(|other| other.value(py).is(error.value(py)));
    // It is told already, or it would close a circle.
    if let Some(first) = contexts(py, &error).last()
        && !is_among(&before, &error)
        && !is_among(&first, &before)
    {
        first.set_context(py, Some(before));
    }
    error
}

/// An exception, the one that was handled when it was raised, and so on. Nothing keeps programs from making circles.
fn contexts(py: Python<'_>, error: &PyErr) -> impl Iterator<Item = PyErr> {
    std::iter::successors(Some(error.clone_ref(py)), move |error| error.context(py)).take(1000)
}

/// The code that a `grpc.StatusCode` means, or a number where numbers are taken; whatever is neither is `UNKNOWN`, as in grpc.
pub(crate) fn code_of(code: &Bound<'_, PyAny>, dialect: Dialect) -> Code {
    let number = match code.extract::<i32>() {
        Ok(number) if dialect.takes_numbers_for_codes() => Ok(number),
        // The value of a grpc.StatusCode is a pair: the number and a text.
        _ => code
            .getattr(intern!(code.py(), "value"))
            .and_then(|value| value.get_item(0))
            .and_then(|number| number.extract::<i32>()),
    };
    number.map_or(Code::Unknown, Code::from_i32)
}

/// An exception's text; one whose text cannot be had is still an exception.
pub(crate) fn text(py: Python<'_>, error: &PyErr) -> String {
    error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string())
}

/// Its class, as `str` shows it.
pub(crate) fn class(py: Python<'_>, error: &PyErr) -> String {
    error.get_type(py).str().map_or_else(|_| "exception".to_owned(), |class| class.to_string())
}

/// The bare name of an exception's class.
pub(crate) fn class_name(py: Python<'_>, error: &PyErr) -> String {
    error.get_type(py).name().map_or_else(|_| "exception".to_owned(), |name| name.to_string())
}
