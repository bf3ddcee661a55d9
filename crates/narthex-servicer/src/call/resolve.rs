//! The way to a method that takes Python to find: through the interceptors, and by asking generic handlers.

use std::sync::Arc;

use narthex_pyrt::{Job, Outcome, Role, Runtime, in_context};
use narthex_wire::{Code, Status};
use pyo3::prelude::*;

use super::reply::{failed, status};
use super::{Call, Ending, Progress};
use crate::dialect::Doing;
use crate::interception::Interception;
use crate::registry::details;

/// Has Python find the call's method, which tells the response future. Needs no interpreter.
///
/// # Errors
///
/// `RESOURCE_EXHAUSTED` when all lanes are busy and as many calls wait as may.
pub(crate) fn resolve(call: &Arc<Call>) -> Result<(), Status> {
    let resolving = Resolving(Ending::of(call));
    match call.host.registry.interception() {
        Some(Interception::Synchronous(_)) => super::on_lane(call, move |py| resolving.intercept(py)),
        Some(Interception::Asynchronous(_)) | None => {
            call.runtime().push(resolving);
            Ok(())
        }
    }
}

/// A call whose method is not known yet.
struct Resolving(Ending);

impl Job for Resolving {
    fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>) {
        let Some(call) = self.0.open_call() else { return };
        let Some(Interception::Asynchronous(chain)) = call.host.registry.interception() else {
            let handler = self.look_up(py, &call);
            return self.end(py, &call, handler);
        };
        let coroutine = self
            .details(py, &call)
            .and_then(|details| chain.bind(py).call1((details,)))
            .and_then(|coroutine| Ok((call.surroundings(py)?, coroutine)));
        let (context, coroutine) = match coroutine {
            Ok(found) => found,
            Err(error) => return self.end(py, &call, Err(error)),
        };
        let intercepted = Arc::clone(&call);
        let task = runtime.call_in(Some(&context), Role::Request, &coroutine, move |py, outcome| {
            let handler = match outcome {
                Outcome::Returned(handler) => Ok(Some(handler)),
                Outcome::Raised(error) => Err(error),
                Outcome::Cancelled => {
                    let details = "an interceptor was cancelled";
                    return intercepted.answer(status(&intercepted, Code::Cancelled, details));
                }
            };
            self.end(py, &intercepted, handler);
        });
        if let Some(task) = task {
            call.keep(task);
        }
    }
}

impl Resolving {
    /// Synchronous interceptors, on a lane.
    fn intercept(self, py: Python<'_>) {
        let Some(call) = self.0.open_call() else { return };
        let Some(Interception::Synchronous(chain)) = call.host.registry.interception() else { return };
        let handler = self.details(py, &call).and_then(|details| {
            in_context(&call.surroundings(py)?, || chain.bind(py).call1((details,)))?.map(Some)
        });
        call.runtime().end_if_forked(py, handler.as_ref().err());
        self.end(py, &call, handler);
    }

    fn look_up<'py>(&self, py: Python<'py>, call: &Call) -> PyResult<Option<Bound<'py, PyAny>>> {
        call.host.registry.table().look_up(&self.details(py, call)?)
    }

    #[expect(clippy::unused_self, reason = "it is of this call")]
    fn details<'py>(&self, py: Python<'py>, call: &Call) -> PyResult<Bound<'py, PyAny>> {
        details(py, call.path(), call.invocation_metadata(py)?)
    }

    fn end(self, py: Python<'_>, call: &Arc<Call>, handler: PyResult<Option<Bound<'_, PyAny>>>) {
        let method = handler.and_then(|handler| {
            let handler = handler.filter(|handler| !handler.is_none());
            handler.map(|handler| call.host.registry.table().method(call.path(), &handler)).transpose()
        });
        match method {
            Ok(Some(method)) => {
                self.0.done();
                call.resolved(method);
            }
            Ok(None) => call.answer(Status::unimplemented("Method not found!").into()),
            Err(error) => call.answer(failed(py, call, Doing::Finding, &error)),
        }
    }
}

impl Ending {
    /// The call, if its client still waits.
    pub(super) fn open_call(&self) -> Option<Arc<Call>> {
        self.0.clone().filter(|call| call.progress() != Progress::Cancelled)
    }
}
