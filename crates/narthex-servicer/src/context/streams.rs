//! What handlers read their requests from and write their responses to, where those stream.

use std::sync::Arc;
use std::task::Poll;

use narthex_pyrt::{Recurring, Wait, Waiter, block_until};
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::{Call, Progress, Received, Requests, Waiting, failed};
use crate::dialect::{Dialect, Doing};
use crate::error::{cancelled_error, rpc_error};
use crate::method::Method;

/// The requests as a coroutine function or an asynchronous generator gets them: an asynchronous iterator.
#[pyclass(frozen, module = "narthex._native")]
pub(crate) struct RequestStream {
    call: Arc<Call>,
    method: Arc<Method>,
    next: Recurring,
}

impl RequestStream {
    pub(crate) fn make<'py>(
        py: Python<'py>,
        call: &Arc<Call>,
        method: &Arc<Method>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let stream = Self { call: Arc::clone(call), method: Arc::clone(method), next: Recurring::default() };
        Ok(Bound::new(py, stream)?.into_any())
    }
}

#[pymethods]
impl RequestStream {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.next.next(py, self.call.runtime(), || {
            let (call, method) = (Arc::clone(&self.call), Arc::clone(&self.method));
            NextRequest { call, method, end: End::StopIteration }
        })
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.next.traverse(&visit)
    }
}

/// How a coroutine learns that there are no more requests.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// As from an iterator.
    StopIteration,
    /// As from `context.read()`.
    Eof,
}

/// The next request.
pub(super) struct NextRequest {
    pub(super) call: Arc<Call>,
    pub(super) method: Arc<Method>,
    pub(super) end: End,
}

impl Wait for NextRequest {
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        let requests = self.call.requests()?;
        let Poll::Ready(received) = requests.poll_received(waiter) else { return None };
        Some(match received {
            Received::Message(message) => self.method.deserialize(py, &message).map(Bound::unbind),
            Received::End => match self.end {
                End::StopIteration => Err(PyStopAsyncIteration::new_err(())),
                End::Eof => eof(py),
            },
            Received::Failed(status) => {
                self.call.fail(status);
                Err(cancelled_error())
            }
            Received::Closed => Err(cancelled_error()),
        })
    }
}

/// `grpc.aio.EOF`.
fn eof(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static EOF: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let eof =
        EOF.get_or_try_init(py, || PyResult::Ok(py.import("narthex.grpc.errors")?.getattr("EOF")?.unbind()))?;
    Ok(eof.clone_ref(py))
}

/// The requests as a synchronous handler gets them: an iterator that blocks its lane.
#[pyclass(frozen, module = "narthex._native")]
pub(crate) struct RequestIterator {
    call: Arc<Call>,
    method: Arc<Method>,
}

impl RequestIterator {
    pub(crate) fn make<'py>(
        py: Python<'py>,
        call: &Arc<Call>,
        method: &Arc<Method>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let iterator = Self { call: Arc::clone(call), method: Arc::clone(method) };
        Ok(Bound::new(py, iterator)?.into_any())
    }
}

#[pymethods]
impl RequestIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(requests) = self.call.requests() else { return Ok(None) };
        match block_until(py, |waker| Requests::poll_next(requests, waker)) {
            Received::Message(message) => match self.method.deserialize(py, &message) {
                Err(error) if self.call.host.options.dialect == Dialect::Classic => {
                    self.call.answer(failed(py, &self.call, Doing::Deserializing, &error));
                    Ok(None)
                }
                deserialized => deserialized.map(Some),
            },
            Received::End => Ok(None),
            Received::Failed(status) => {
                self.call.fail(status);
                Err(rpc_error(py))
            }
            // As in grpc: what the handler has ended itself ends quietly.
            Received::Closed if self.call.progress() == Progress::Answered => Ok(None),
            Received::Closed => Err(rpc_error(py)),
        }
    }

    /// As grpc's iterator has it.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.__next__(py)?.ok_or_else(|| pyo3::exceptions::PyStopIteration::new_err(()))
    }
}

/// Sends one message of a stream; whether the next may follow at once.
///
/// # Errors
///
/// Those of [`Call::check_open`] and of the serializer, and `CancelledError` where the client is gone.
pub(super) fn send(
    py: Python<'_>,
    call: &Arc<Call>,
    method: &Method,
    message: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    if call.check_open(py)? == Progress::Cancelled {
        return Err(cancelled_error());
    }
    method.serialize(call.host.options.dialect, message, |message| call.send(message))
}

/// Room for another message.
pub(super) struct Room(pub(super) Arc<Call>);

impl Wait for Room {
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        let waiting = waiter.map_or(Waiting::Nobody, Waiting::Coroutine);
        match self.0.poll_room(waiting) {
            Poll::Pending => None,
            Poll::Ready(Progress::Cancelled) => Some(Err(cancelled_error())),
            Poll::Ready(Progress::Open | Progress::Answered) => Some(Ok(py.None())),
        }
    }
}
