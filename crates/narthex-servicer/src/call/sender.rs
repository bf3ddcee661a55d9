//! Handlers that return while their call goes on: they are given a function, and send with it from wherever they like.
//!
//! grpc calls it `experimental_non_blocking`, an attribute of the handler. Its health servicer's `Watch` is one: a watcher
//! that waits for news holds no thread.

use std::sync::Arc;
use std::task::Poll;

use narthex_pyrt::block_until;
use narthex_wire::Status;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;

use super::reply::{failed, set_status};
use super::{Call, Ended, Ending, Progress, Waiting};
use crate::dialect::Doing;
use crate::method::Method;

/// The function: sends what it is called with, and ends the call when that is `None`. Callable from any thread.
///
/// It has the duty to end the call: once nobody has the function any more, nobody else can.
#[pyclass(frozen, module = "narthex._native")]
pub(super) struct Sender {
    call: Arc<Call>,
    method: Arc<Method>,
    ending: Mutex<Option<Ending>>,
}

impl Sender {
    pub(super) fn make<'py>(
        py: Python<'py>,
        call: &Arc<Call>,
        method: &Arc<Method>,
        ending: Ending,
    ) -> PyResult<Bound<'py, Self>> {
        let ending = Mutex::new(Some(ending));
        Bound::new(py, Self { call: Arc::clone(call), method: Arc::clone(method), ending })
    }

    /// Gives the duty up.
    pub(super) fn take_ending(&self) -> Option<Ending> {
        self.ending.lock().take()
    }

    /// Ends the call with the status that the handler has set, unless it has ended.
    pub(super) fn end(&self, py: Python<'_>) {
        let Some(ending) = self.take_ending() else { return };
        self.call.answer(set_status(&self.call));
        self.call.over(py, Ended::Handler, None);
        ending.done();
    }

    /// Whether the client is there still, once there is room for another message.
    fn wait_for_room(&self, py: Python<'_>) -> PyResult<bool> {
        let progress = match self.call.poll_room(Waiting::Nobody) {
            Poll::Ready(progress) => progress,
            Poll::Pending if runs_event_loop(py)? => {
                // Waiting here would keep the room from ever coming.
                self.call.fail(Status::resource_exhausted("the client does not read its responses"));
                Progress::Cancelled
            }
            Poll::Pending => block_until(py, |waker| self.call.poll_room(Waiting::Thread(waker))),
        };
        Ok(progress == Progress::Open)
    }
}

#[pymethods]
impl Sender {
    fn __call__(&self, py: Python<'_>, response: &Bound<'_, PyAny>) -> PyResult<()> {
        if response.is_none() {
            self.end(py);
            return Ok(());
        }
        if !self.wait_for_room(py)? {
            return Ok(());
        }
        let dialect = self.call.host.options.dialect;
        if let Err(error) = self.method.serialize(dialect, response, |message| self.call.send(message)) {
            self.call.answer(failed(py, &self.call, Doing::Serializing, &error));
            self.end(py);
        }
        Ok(())
    }
}

/// Whether this thread is an event loop's.
fn runs_event_loop(py: Python<'_>) -> PyResult<bool> {
    let running = py.import(intern!(py, "asyncio"))?.call_method0(intern!(py, "_get_running_loop"))?;
    Ok(!running.is_none())
}
