//! The way in: from a request to the call of its handler.

use std::sync::Arc;

use narthex_pyrt::{Job, Outcome, Role, Runtime, block_until, in_context, run_in};
use narthex_wire::{Pieces, Status};
use pyo3::intern;
use pyo3::prelude::*;

use super::reply::{failed, finish};
use super::sender::Sender;
use super::{Call, Ended, Ending, Progress, Waiting, on_lane};
use crate::context::{RequestIterator, RequestStream, Responses, ServicerContext, SyncServicerContext};
use crate::dialect::Doing;
use crate::glue;
use crate::method::{Kind, Method};

/// What a handler gets first.
pub(crate) enum Input {
    /// Its request.
    Message(Pieces),
    /// An iterator over its requests.
    Stream,
}

impl Input {
    /// The request as a synchronous handler gets it.
    fn request<'py>(
        &self,
        py: Python<'py>,
        call: &Arc<Call>,
        method: &Arc<Method>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Message(message) => method.deserialize(py, message),
            Self::Stream => RequestIterator::make(py, call, method),
        }
    }
}

/// Has Python handle the request, where the method's kind wants it. Needs no interpreter.
///
/// # Errors
///
/// `RESOURCE_EXHAUSTED` when all lanes are busy and as many calls wait as may.
pub(crate) fn start(call: &Arc<Call>, method: &Arc<Method>, input: Input) -> Result<(), Status> {
    let incoming = Incoming { ending: Ending::of(call), method: Arc::clone(method), input };
    match method.kind {
        Kind::Coroutine | Kind::Generator => {
            call.runtime().push(incoming);
            Ok(())
        }
        Kind::Sync if method.pool.is_some() => {
            call.runtime().push(InItsPool(incoming));
            Ok(())
        }
        Kind::Sync => on_lane(call, move |py| incoming.run_on_lane(py)),
    }
}

/// A request whose handler can be called.
struct Incoming {
    ending: Ending,
    method: Arc<Method>,
    input: Input,
}

impl Job for Incoming {
    fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>) {
        let Self { ending, method, input } = *self;
        let Some(call) = ending.open_call() else { return };
        call.host.hooks.run_async(py);
        let context = match ServicerContext::make(py, &call) {
            Ok(context) => context,
            Err(error) => return call.answer(failed(py, &call, Doing::Calling, &error)),
        };
        let request = match &input {
            Input::Message(message) => method.deserialize(py, message),
            Input::Stream => RequestStream::make(py, &call, &method),
        };
        drop(input);
        let mut doing = Doing::Deserializing;
        let called = request.and_then(|request| {
            doing = Doing::Calling;
            method.handler(py).call1((request, &context))
        });
        let coroutine = called.and_then(|called| match method.kind {
            Kind::Generator if method.cardinality.response_streaming => {
                Responses::make(&call, &method, &called)
            }
            _ => Ok(called),
        });
        let done = Done { ending, method, context: context.unbind(), at: Place::Loop, doing };
        match coroutine {
            Ok(coroutine) => done.follow(&call, runtime, &coroutine),
            Err(error) => done.end(py, Outcome::Raised(error)),
        }
    }
}

/// A request whose handler has threads of its own.
struct InItsPool(Incoming);

impl Job for InItsPool {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        let method = Arc::clone(&self.0.method);
        if let Some(pool) = &method.pool {
            run_in(pool.bind(py), move |py| self.0.run_on_lane(py));
        }
    }
}

/// What a handler on a lane has come to.
enum Handled<'py> {
    /// Its end.
    Returned(Bound<'py, PyAny>),
    /// Something to be awaited, on the loop.
    Awaitable(Bound<'py, PyAny>),
}

impl Incoming {
    fn run_on_lane(self, py: Python<'_>) {
        let Some(call) = self.ending.open_call() else { return };
        call.host.hooks.run_sync(py);
        let context = match SyncServicerContext::make(py, &call) {
            Ok(context) => context,
            Err(error) => return call.answer(failed(py, &call, Doing::Calling, &error)),
        };
        if self.method.sends_by_itself {
            return self.let_send(&call, &context);
        }
        let mut doing = Doing::Deserializing;
        let handled = call
            .surroundings(py)
            .and_then(|surroundings| in_context(&surroundings, || self.handle(&call, &context, &mut doing)))
            .flatten();
        call.runtime().end_if_forked(py, handled.as_ref().err());
        let Self { ending, method, .. } = self;
        let done = Done { ending, method, context: context.unbind(), at: Place::Lane, doing };
        match handled {
            Ok(Handled::Awaitable(awaitable)) => {
                // The rest runs on the loop; what the hook looks after on this thread is not used there.
                call.host.hooks.run_sync(py);
                call.runtime().push(Follow { done, awaitable: awaitable.unbind() });
            }
            Ok(Handled::Returned(returned)) => done.end(py, Outcome::Returned(returned)),
            Err(error) => done.end(py, Outcome::Raised(error)),
        }
    }

    /// Calls a handler that sends by itself: what it raises ends the call, what it returns does not.
    fn let_send(self, call: &Arc<Call>, context: &Bound<'_, PyAny>) {
        let py = context.py();
        let Self { ending, method, input } = self;
        let sender = match Sender::make(py, call, &method, ending) {
            Ok(sender) => sender,
            Err(error) => return call.answer(failed(py, call, Doing::Calling, &error)),
        };
        let mut doing = Doing::Deserializing;
        let handle = || {
            let request = input.request(py, call, &method)?;
            doing = Doing::Calling;
            method.handler(py).call1((request, context, &sender))
        };
        let handled = call.surroundings(py).and_then(|context| in_context(&context, handle)).flatten();
        call.runtime().end_if_forked(py, handled.as_ref().err());
        if let Err(error) = handled {
            let Some(ending) = sender.get().take_ending() else { return };
            let context = context.clone().unbind();
            Done { ending, method, context, at: Place::Lane, doing }.end(py, Outcome::Raised(error));
            return;
        }
        call.host.hooks.run_sync(py);
        if call.progress() != Progress::Open {
            sender.get().end(py);
        }
    }

    fn handle<'py>(
        &self,
        call: &Arc<Call>,
        context: &Bound<'py, PyAny>,
        doing: &mut Doing,
    ) -> PyResult<Handled<'py>> {
        let py = context.py();
        let method = &self.method;
        let request = self.input.request(py, call, method)?;
        *doing = Doing::Calling;
        let returned = method.handler(py).call1((request, context))?;
        if has(&returned, "__await__")? {
            return Ok(Handled::Awaitable(returned));
        }
        if !method.cardinality.response_streaming {
            return Ok(Handled::Returned(returned));
        }
        if has(&returned, "__aiter__")? {
            return Responses::make(call, method, &returned).map(Handled::Awaitable);
        }
        send_all(call, method, &returned, doing)?;
        Ok(Handled::Returned(py.None().into_bound(py)))
    }
}

/// Sends what an iterator gives, until it ends or its client is gone; one that is not taken to its end is closed.
fn send_all(
    call: &Arc<Call>,
    method: &Method,
    responses: &Bound<'_, PyAny>,
    doing: &mut Doing,
) -> PyResult<()> {
    let py = responses.py();
    let dialect = call.host.options.dialect;
    *doing = Doing::Iterating;
    let iterator = responses.try_iter()?;
    for response in &iterator {
        let response = response?;
        if response.is_none() && dialect.ends_with_none() {
            return Ok(());
        }
        *doing = Doing::Serializing;
        let goes_on = call.progress() == Progress::Open
            && method.serialize(dialect, &response, |message| call.send(message))?;
        *doing = Doing::Iterating;
        if goes_on {
            continue;
        }
        let room = block_until(py, |waker| call.poll_room(Waiting::Thread(waker)));
        if room != Progress::Open {
            if iterator.hasattr(intern!(py, "close"))? {
                iterator.call_method0(intern!(py, "close"))?;
            }
            return Ok(());
        }
    }
    Ok(())
}

/// Whether an object's class has a method.
fn has(object: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    object.get_type().hasattr(name)
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
    /// What it was that raised, if something has.
    doing: Doing,
}

impl Done {
    /// Runs the coroutine to its end.
    fn follow(self, call: &Arc<Call>, runtime: &Arc<Runtime>, coroutine: &Bound<'_, PyAny>) {
        let surroundings = call.shared_surroundings(coroutine.py());
        let running = runtime.call_in(surroundings.as_ref(), Role::Request, coroutine, move |py, outcome| {
            self.end(py, outcome);
        });
        if let Some(task) = running {
            call.keep(task);
        }
    }

    fn end(self, py: Python<'_>, outcome: Outcome<'_>) {
        let Some(call) = self.ending.0.clone() else { return };
        let reply = finish(py, &call, &self.method, self.doing, outcome);
        match self.at {
            Place::Loop => call.host.hooks.run_async(py),
            Place::Lane => call.host.hooks.run_sync(py),
        }
        if let Some(reply) = reply {
            call.answer(reply);
        }
        // Those of a coroutine take the context, those of a synchronous handler nothing, as in grpc.
        let takes_context = self.method.kind != Kind::Sync;
        call.over(py, Ended::Handler, takes_context.then(|| self.context.bind(py)));
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
        match glue::completed(py).and_then(|completed| completed.call1((awaitable,))) {
            Ok(coroutine) => done.follow(&call, runtime, &coroutine),
            Err(error) => done.end(py, Outcome::Raised(error)),
        }
    }
}
