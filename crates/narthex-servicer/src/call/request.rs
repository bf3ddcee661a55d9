//! The way in: from a message to the call of the handler.

use std::sync::Arc;

use bytes::Bytes;
use narthex_pyrt::{Job, Outcome, Role, Runtime};
use narthex_wire::Status;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

use super::response::{failed, finish};
use super::{Call, Ending, Progress};
use crate::context::{ServicerContext, SyncServicerContext};
use crate::metadata;
use crate::method::{Kind, Method};

/// Asks the generic handlers for the call's method, on the event loop's thread.
pub(crate) struct Resolve(Ending);

impl Resolve {
    pub(crate) fn new(call: &Arc<Call>) -> Self {
        Self(Ending::of(call))
    }
}

impl Job for Resolve {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        let Some(call) = &self.0.0 else { return };
        let found = metadata::to_python(py, &call.head.headers)
            .and_then(|metadata| call.host.registry.ask(py, call.path(), &metadata));
        match found {
            Ok(Some(method)) => {
                call.resolved(method);
                self.0.done();
            }
            Ok(None) => call.answer(Status::unimplemented("Method not found!").into()),
            Err(error) => call.answer(failed(py, call, &error)),
        }
    }
}

/// Has Python handle `message`, where the method's kind wants it. Needs no interpreter.
///
/// # Errors
///
/// `RESOURCE_EXHAUSTED` when all lanes are busy and as many calls wait as may.
pub(crate) fn start(call: &Arc<Call>, method: &Arc<Method>, message: Bytes) -> Result<(), Status> {
    let incoming = Incoming { ending: Ending::of(call), method: Arc::clone(method), message };
    match method.kind {
        Kind::Coroutine => call.runtime().push(incoming),
        Kind::Sync => call.runtime().lanes().submit(move |py| incoming.run_on_lane(py)).map_err(|_| {
            Status::resource_exhausted("too many synchronous calls wait for a thread; try again later")
        })?,
    }
    Ok(())
}

/// A request whose message is there.
struct Incoming {
    ending: Ending,
    method: Arc<Method>,
    message: Bytes,
}

impl Job for Incoming {
    fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>) {
        let Self { ending, method, message } = *self;
        let Some(call) = ending.0.clone() else { return };
        if call.progress() == Progress::Cancelled {
            return;
        }
        call.host.hooks.run_async(py);
        let context = match ServicerContext::make(py, &call) {
            Ok(context) => context,
            Err(error) => return call.answer(failed(py, &call, &error)),
        };
        let coroutine = method
            .deserialize(py, &message)
            .and_then(|request| method.handler(py).call1((request, &context)));
        drop(message);
        let done = Done { ending, method, context: context.unbind(), at: Place::Loop };
        match coroutine {
            Ok(coroutine) => done.follow(&call, runtime, &coroutine),
            Err(error) => done.end(py, Outcome::Raised(error)),
        }
    }
}

impl Incoming {
    fn run_on_lane(self, py: Python<'_>) {
        let Self { ending, method, message } = self;
        let Some(call) = ending.0.clone() else { return };
        if call.progress() == Progress::Cancelled {
            return;
        }
        call.host.hooks.run_sync(py);
        let context = match SyncServicerContext::make(py, &call) {
            Ok(context) => context,
            Err(error) => return call.answer(failed(py, &call, &error)),
        };
        let returned = method
            .deserialize(py, &message)
            .and_then(|request| {
                let copy = call.runtime().context_copy(py)?;
                copy.call_method1(intern!(py, "run"), (method.handler(py), request, &context))
            })
            .and_then(|returned| Ok((is_awaitable(&returned)?, returned)));
        call.runtime().end_if_forked(py, returned.as_ref().err());
        let done = Done { ending, method, context: context.unbind(), at: Place::Lane };
        match returned {
            Ok((true, awaitable)) => {
                // The rest runs on the loop; what the hook looks after on this thread is not used there.
                call.host.hooks.run_sync(py);
                call.runtime().push(Follow { done, awaitable: awaitable.unbind() });
            }
            Ok((false, returned)) => done.end(py, Outcome::Returned(returned)),
            Err(error) => done.end(py, Outcome::Raised(error)),
        }
    }
}

/// Where the handler's end is seen, and so which hook runs after it.
#[derive(Clone, Copy)]
enum Place {
    Loop,
    Lane,
}

/// A handler that has been called: what its end needs.
struct Done {
    ending: Ending,
    method: Arc<Method>,
    context: Py<PyAny>,
    at: Place,
}

impl Done {
    /// Runs the coroutine to its end.
    fn follow(self, call: &Arc<Call>, runtime: &Arc<Runtime>, coroutine: &Bound<'_, PyAny>) {
        let running = runtime.call(Role::Request, coroutine, move |py, outcome| self.end(py, outcome));
        if let Some(task) = running {
            call.keep(task);
        }
    }

    fn end(self, py: Python<'_>, outcome: Outcome<'_>) {
        let Some(call) = self.ending.0.clone() else { return };
        let reply = finish(py, &call, &self.method, outcome);
        match self.at {
            Place::Loop => call.host.hooks.run_async(py),
            Place::Lane => call.host.hooks.run_sync(py),
        }
        if let Some(reply) = reply {
            call.answer(reply);
        }
        // Those of a coroutine take the context, those of a synchronous handler nothing, as in grpc.
        let takes_context = self.method.kind == Kind::Coroutine;
        call.over(py, takes_context.then(|| self.context.bind(py)));
        self.ending.done();
    }
}

/// Awaits what a function that is no coroutine function returned, on the loop.
struct Follow {
    done: Done,
    awaitable: Py<PyAny>,
}

impl Job for Follow {
    fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>) {
        let Self { mut done, awaitable } = *self;
        let Some(call) = done.ending.0.clone() else { return };
        done.at = Place::Loop;
        call.host.hooks.run_async(py);
        match completed(py).and_then(|completed| completed.call1((awaitable,))) {
            Ok(coroutine) => done.follow(&call, runtime, &coroutine),
            Err(error) => done.end(py, Outcome::Raised(error)),
        }
    }
}

fn is_awaitable(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    object.get_type().hasattr(intern!(object.py(), "__await__"))
}

/// A coroutine function that awaits its argument: tasks are made of coroutines only.
fn completed(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let function = FUNCTION.get_or_try_init(py, || {
        let code = c"async def completed(awaitable):\n    return await awaitable\n";
        let module =
            PyModule::from_code(py, code, c"narthex/_native/completed.py", c"narthex._native.completed")?;
        PyResult::Ok(module.getattr("completed")?.unbind())
    })?;
    Ok(function.bind(py))
}
