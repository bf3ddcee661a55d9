//! The context of synchronous handlers, as grpc's. Its methods are called on a lane, and act at once.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{AbortArguments, Base, send_initial_metadata};
use crate::call::{Call, Draft, Progress, set_status};

/// `grpc.ServicerContext`.
#[pyclass(frozen, extends = Base, module = "narthex._native")]
pub(crate) struct SyncServicerContext;

impl SyncServicerContext {
    pub(crate) fn make<'py>(py: Python<'py>, call: &Arc<Call>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, (Self, Base::new(call)))?.into_any())
    }
}

#[pymethods]
impl SyncServicerContext {
    fn send_initial_metadata(slf: &Bound<'_, Self>, initial_metadata: &Bound<'_, PyAny>) -> PyResult<()> {
        send_initial_metadata(slf.py(), &slf.as_super().get().call, initial_metadata)
    }

    #[pyo3(signature = (code, details = None, trailing_metadata = None))]
    fn abort(
        slf: &Bound<'_, Self>,
        code: Py<PyAny>,
        details: Option<Py<PyAny>>,
        trailing_metadata: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let details = details.unwrap_or_else(|| slf.py().None());
        let arguments = AbortArguments { code, details, trailing_metadata };
        Err(arguments.abort(slf.py(), &slf.as_super().get().call))
    }

    fn abort_with_status(slf: &Bound<'_, Self>, status: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(AbortArguments::of_status(status)?.abort(slf.py(), &slf.as_super().get().call))
    }

    /// What was set, as bytes; `None` before.
    fn details<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyBytes>> {
        let details = slf.as_super().get().call.with_draft(|draft| draft.details.clone());
        details.map(|details| PyBytes::new(slf.py(), details.as_bytes()))
    }

    /// Has `callback()` called once the call is over, or its client is gone; `False` if it is.
    fn add_callback(slf: &Bound<'_, Self>, callback: Py<PyAny>) -> bool {
        slf.as_super().get().call.add_callback(callback)
    }

    /// Whether the client still waits for the status.
    fn is_active(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().call.progress() == Progress::Open
    }

    /// Ends the call with CANCELLED; the handler runs on.
    fn cancel(slf: &Bound<'_, Self>) {
        let call = &slf.as_super().get().call;
        if call.progress() == Progress::Open {
            call.with_draft(Draft::cancel);
            call.answer(set_status(call));
        }
    }
}
