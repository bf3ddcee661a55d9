//! A private part of grpc's contexts that programs read all the same, py-grpc-prometheus among them.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::call::{Call, Progress};

/// `context._state`.
#[pyclass(frozen, module = "narthex._native")]
pub(crate) struct RpcState(pub(super) Arc<Call>);

#[pymethods]
impl RpcState {
    /// `"cancelled"` once the client is gone, else `"open"` or `"closed"`.
    #[getter]
    fn client(&self) -> &'static str {
        match self.0.progress() {
            Progress::Open => "open",
            Progress::Answered => "closed",
            Progress::Cancelled => "cancelled",
        }
    }

    /// What was set, as it was set; `None` before.
    #[getter]
    fn code(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.0.with_draft(|draft| draft.code_object.as_ref().map(|code| code.clone_ref(py)))
    }
}
