//! The context of coroutine functions, as grpc.aio's.
//!
//! Its coroutine methods do nothing until they are awaited, like any coroutine function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use narthex_pyrt::{Wait, Waiter, awaitable};
use pyo3::prelude::*;

use super::streams::{End, NextRequest, Room, send};
use super::{AbortArguments, Base, send_initial_metadata};
use crate::call::Call;
use crate::error::usage_error;
use crate::method::Method;

/// `grpc.aio.ServicerContext`.
#[pyclass(frozen, extends = Base, module = "narthex._native")]
pub(crate) struct ServicerContext;

impl ServicerContext {
    pub(crate) fn make<'py>(py: Python<'py>, call: &Arc<Call>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, (Self, Base::new(call)))?.into_any())
    }
}

#[pymethods]
impl ServicerContext {
    fn send_initial_metadata<'py>(
        slf: &Bound<'py, Self>,
        initial_metadata: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        deferred(slf, Deferred::SendInitialMetadata(initial_metadata))
    }

    #[pyo3(signature = (code, details = None, trailing_metadata = None))]
    fn abort<'py>(
        slf: &Bound<'py, Self>,
        code: Py<PyAny>,
        details: Option<Py<PyAny>>,
        trailing_metadata: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let details = details.unwrap_or_else(|| slf.py().None());
        deferred(slf, Deferred::Abort(AbortArguments { code, details, trailing_metadata }))
    }

    fn abort_with_status<'py>(slf: &Bound<'py, Self>, status: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        deferred(slf, Deferred::AbortWithStatus(status))
    }

    /// The next request; `grpc.aio.EOF` after the last.
    fn read<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let call = &slf.as_super().get().call;
        match call.method() {
            Some(method) if method.cardinality.request_streaming => {
                let next = NextRequest { call: Arc::clone(call), method: Arc::clone(method), end: End::Eof };
                awaitable(slf.py(), call.runtime(), Read(next))
            }
            _ => deferred(
                slf,
                Deferred::Refuse(
                    "read() is for methods whose requests stream; the request is the first argument",
                ),
            ),
        }
    }

    /// Sends one response, and waits until there is room for the next.
    fn write<'py>(slf: &Bound<'py, Self>, message: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let call = &slf.as_super().get().call;
        match call.method() {
            Some(method) if method.cardinality.response_streaming => {
                let (room, method) = (Room(Arc::clone(call)), Arc::clone(method));
                let write = Write { room, method, message, sent: AtomicBool::new(false) };
                awaitable(slf.py(), call.runtime(), write)
            }
            _ => deferred(
                slf,
                Deferred::Refuse(
                    "write() is for methods whose responses stream; return the response instead",
                ),
            ),
        }
    }

    /// What was set, as text; empty before.
    fn details(slf: &Bound<'_, Self>) -> String {
        slf.as_super().get().call.with_draft(|draft| draft.details.clone()).unwrap_or_default()
    }

    /// Has `callback(context)` called once the call is over; at once if it is.
    fn add_done_callback(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
        if !slf.as_super().get().call.add_callback(callback.clone().unbind()) {
            callback.call1((slf,))?;
        }
        Ok(())
    }
}

/// What an awaitable does when it is awaited. None of it waits.
enum Deferred {
    SendInitialMetadata(Py<PyAny>),
    Abort(AbortArguments),
    AbortWithStatus(Py<PyAny>),
    Refuse(&'static str),
}

impl Deferred {
    fn run(&self, py: Python<'_>, call: &Call) -> PyResult<()> {
        match self {
            Self::SendInitialMetadata(metadata) => send_initial_metadata(py, call, metadata.bind(py)),
            Self::Abort(arguments) => Err(arguments.abort(py, call)),
            Self::AbortWithStatus(status) => Err(AbortArguments::of_status(status.bind(py))?.abort(py, call)),
            Self::Refuse(message) => {
                call.check_open(py)?;
                Err(usage_error(py, message))
            }
        }
    }
}

/// A read, which a call that has ended refuses.
struct Read(NextRequest);

impl Wait for Read {
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        match self.0.call.check_open(py) {
            Ok(_) => self.0.poll(py, waiter),
            Err(error) => Some(Err(error)),
        }
    }
}

/// A write: sends with its first step, then waits for room.
struct Write {
    room: Room,
    method: Arc<Method>,
    message: Py<PyAny>,
    sent: AtomicBool,
}

impl Wait for Write {
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        if !self.sent.swap(true, Ordering::Relaxed)
            && let Err(error) = send(py, &self.room.0, &self.method, self.message.bind(py))
        {
            return Some(Err(error));
        }
        self.room.poll(py, waiter)
    }
}

struct DeferredOn {
    call: Arc<Call>,
    what: Deferred,
}

impl Wait for DeferredOn {
    fn poll(&self, py: Python<'_>, _: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>> {
        Some(self.what.run(py, &self.call).map(|()| py.None()))
    }
}

fn deferred<'py>(slf: &Bound<'py, ServicerContext>, what: Deferred) -> PyResult<Bound<'py, PyAny>> {
    let call = &slf.as_super().get().call;
    awaitable(slf.py(), call.runtime(), DeferredOn { call: Arc::clone(call), what })
}
