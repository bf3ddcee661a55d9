//! The context that a handler gets: what all kinds have in common.
//!
//! grpc.aio's and grpc's contexts differ in what waits and in what `details()` and the callbacks look like; those parts are in
//! [`asynchronous`] and [`sync`]. What is here behaves the same in both.

mod asynchronous;
mod compression;
mod identity;
mod request;
mod responses;
mod state;
mod streams;
mod sync;

use std::sync::Arc;
use std::time::Instant;

use narthex_pyrt::log_exception;
use narthex_wire::Code;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

pub(crate) use self::asynchronous::ServicerContext;
pub use self::compression::encoding as compression_of;
pub(crate) use self::responses::Responses;
use self::state::RpcState;
pub(crate) use self::streams::{RequestIterator, RequestStream};
pub(crate) use self::sync::SyncServicerContext;
use crate::call::{Abort, Call, Draft, Progress, set_status};
use crate::dialect::Dialect;
use crate::error::{abort_error, code_of, rpc_error, usage_error};
use crate::metadata;
use crate::peer::peer;

/// Makes `isinstance(context, grpc.aio.ServicerContext)` and `grpc.ServicerContext` hold, where the process has imported grpc.
pub(crate) fn register_with_grpc(py: Python<'_>) -> PyResult<()> {
    register_abc(py, "grpc.aio", "ServicerContext", &py.get_type::<ServicerContext>())?;
    register_abc(py, "grpc", "ServicerContext", &py.get_type::<SyncServicerContext>())
}

/// Registers `class` with an abstract class of a module, if that is loaded.
pub(crate) fn register_abc(
    py: Python<'_>,
    module: &str,
    name: &str,
    class: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
    if let Some(module) = modules.get_item(module)? {
        module.getattr(name)?.call_method1("register", (class,))?;
    }
    Ok(())
}

/// The base of both contexts.
///
/// Programs keep attributes of their own on it, as they can on grpc's.
#[pyclass(frozen, subclass, dict, weakref, module = "narthex._native", name = "_ServicerContext")]
pub(crate) struct Base {
    call: Arc<Call>,
}

impl Base {
    fn new(call: &Arc<Call>) -> Self {
        Self { call: Arc::clone(call) }
    }
}

#[pymethods]
impl Base {
    fn invocation_metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.call.invocation_metadata(py).cloned()
    }

    fn set_trailing_metadata(&self, trailing_metadata: &Bound<'_, PyAny>) -> PyResult<()> {
        let trailing = metadata::from_python("trailing metadata", trailing_metadata)?;
        drop(self.call.with_draft(|draft| draft.set_trailing(trailing)));
        Ok(())
    }

    fn trailing_metadata<'py>(&self, py: Python<'py>) -> Bound<'py, PyTuple> {
        let tuple = self
            .call
            .with_draft(|draft| draft.trailing.as_ref().map(|trailing| trailing.tuple.clone_ref(py)));
        tuple.map_or_else(|| PyTuple::empty(py), |tuple| tuple.into_bound(py))
    }

    fn set_code(&self, code: &Bound<'_, PyAny>) {
        let dialect = self.call.host.options.dialect;
        let is_unset = code.is_none() && dialect.takes_none_for_ok();
        let number = if is_unset { Code::Ok } else { code_of(code, dialect) };
        let object = code.clone().unbind();
        drop(self.call.with_draft(|draft| draft.set_code(number, object)));
    }

    /// What was set, as it was set; `None` before.
    fn code(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.call.with_draft(|draft| draft.code_object.as_ref().map(|code| code.clone_ref(py)))
    }

    fn set_details(&self, details: &Bound<'_, PyAny>) -> PyResult<()> {
        let details = details_of(details)?;
        self.call.with_draft(|draft| draft.details = Some(details));
        Ok(())
    }

    /// Compresses this call's messages, from a `grpc.Compression` or the name of an encoding, if the client can read that.
    fn set_compression(&self, compression: &Bound<'_, PyAny>) -> PyResult<()> {
        let encoding = compression::encoding(compression)?;
        if !self.call.with_draft(|draft| draft.has_initial()) {
            self.call.compress(encoding);
        } else if self.call.host.options.dialect.refuses_late_compression() {
            return Err(PyRuntimeError::new_err(
                "Compression setting must be specified before sending initial metadata",
            ));
        }
        Ok(())
    }

    fn disable_next_message_compression(&self) {
        self.call.with_draft(Draft::leave_next_uncompressed);
    }

    fn peer(&self) -> String {
        peer(self.call.connection())
    }

    /// The host that the client asked for; `None` if it named none.
    fn authority(&self) -> Option<String> {
        request::authority(&self.call)
    }

    /// The same, as grpc calls it.
    fn host(&self) -> Option<String> {
        request::authority(&self.call)
    }

    /// The method of the HTTP request that this call came as, where it came as JSON; `None` for a call of gRPC's own.
    fn http_method(&self) -> Option<String> {
        request::asked(&self.call).map(|asked| asked.method.to_string())
    }

    /// The path of that request, with its query, as it came.
    fn http_path(&self) -> Option<String> {
        request::asked(&self.call)?.uri.path_and_query().map(ToString::to_string)
    }

    /// Who the client is, by the certificate that it has shown; `None` where it has shown none.
    fn peer_identities<'py>(&self, py: Python<'py>) -> Option<Vec<Bound<'py, PyBytes>>> {
        identity::identities(py, self.call.connection()?)
    }

    fn peer_identity_key(&self) -> Option<&'static str> {
        identity::key(self.call.connection()?)
    }

    fn auth_context<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        identity::auth_context(py, self.call.connection())
    }

    /// What monitoring looks up in grpc's own context, though it is not public there: `client` and `code`.
    #[getter]
    fn _state(&self) -> RpcState {
        RpcState(Arc::clone(&self.call))
    }

    /// Seconds until the deadline, never less than 0; `None` without a deadline.
    fn time_remaining(&self) -> Option<f64> {
        self.call.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    /// Whether the client is gone, or the status is CANCELLED.
    fn cancelled(&self) -> bool {
        self.call.progress() == Progress::Cancelled
            || self.call.with_draft(|draft| draft.code()) == Code::Cancelled
    }

    /// Whether the call has its status, or needs none any more.
    fn done(&self) -> bool {
        self.call.progress() != Progress::Open
    }
}

/// Details are text; grpc's synchronous half hands them out as bytes, so both are taken.
fn details_of(details: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = details.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    if let Ok(bytes) = details.cast::<PyBytes>() {
        return Ok(String::from_utf8_lossy(bytes.as_bytes()).into_owned());
    }
    if details.is_none() {
        return Ok(String::new());
    }
    Err(PyTypeError::new_err(format!("details must be str, not {}", details.get_type().name()?)))
}

/// Begins the response.
fn send_initial_metadata(py: Python<'_>, call: &Call, metadata: &Bound<'_, PyAny>) -> PyResult<()> {
    let allowed = match call.host.options.dialect {
        Dialect::Aio => call.check_open(py).map(|_| true)?,
        Dialect::Classic => match call.progress() {
            Progress::Cancelled => return Err(rpc_error(py)),
            progress => progress == Progress::Open,
        },
    };
    let sent = metadata::from_python("initial metadata", metadata)?;
    if allowed && call.with_draft(|draft| draft.set_initial(sent.headers)) {
        call.begin();
        return Ok(());
    }
    Err(match call.host.options.dialect {
        Dialect::Aio => usage_error(py, "Send initial metadata failed: already sent"),
        Dialect::Classic => PyValueError::new_err("Initial metadata no longer allowed!"),
    })
}

/// What `abort` takes.
struct AbortArguments {
    code: Py<PyAny>,
    details: Py<PyAny>,
    trailing_metadata: Option<Py<PyAny>>,
}

impl AbortArguments {
    /// Those that a `grpc.Status` stands for.
    fn of_status(status: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = status.py();
        Ok(Self {
            code: status.getattr(intern!(py, "code"))?.unbind(),
            details: status.getattr(intern!(py, "details"))?.unbind(),
            trailing_metadata: Some(status.getattr(intern!(py, "trailing_metadata"))?.unbind()),
        })
    }

    /// Answers the call with a status, or has the handler's end do so; the exception that is to end the handler.
    fn abort(&self, py: Python<'_>, call: &Call) -> PyErr {
        self.answer(py, call).unwrap_or_else(|error| error)
    }

    fn answer(&self, py: Python<'_>, call: &Call) -> PyResult<PyErr> {
        let dialect = call.host.options.dialect;
        if dialect.aborts_at_once() && call.with_draft(|draft| draft.abort.is_some()) {
            return Err(usage_error(py, "Abort already called!"));
        }
        let trailing = match &self.trailing_metadata {
            Some(trailing) => metadata::from_python("trailing metadata", trailing.bind(py))?,
            None => metadata::Sent::none(py),
        };
        let mut details = details_of(self.details.bind(py))?;
        let mut code = code_of(self.code.bind(py), dialect);
        let exception = abort_error(py);
        if code == Code::Ok {
            // As in grpc: success is not something to abort with.
            log_exception(py, "abort() called with StatusCode.OK; returning UNKNOWN", &exception);
            code = Code::Unknown;
            details.clear();
        }
        let abort = Abort {
            code,
            code_object: self.code.clone_ref(py),
            details: (!details.is_empty() || !dialect.aborts_at_once()).then_some(details),
            trailing,
            exception: exception.value(py).clone().into_any().unbind(),
        };
        drop(call.with_draft(|draft| draft.set_abort(abort)));
        if dialect.aborts_at_once() {
            call.answer(set_status(call));
        }
        Ok(exception)
    }
}
