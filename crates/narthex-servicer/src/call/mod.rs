//! One call: what its two sides, the response future in Rust and the handler in Python, know together.
//!
//! Whoever comes first ends it: the handler by returning, raising or aborting, the client by leaving (the future is dropped),
//! or nobody, when what should have run is dropped ([`Ending`]). Later answers change nothing.

mod body;
mod draft;
mod request;
mod response;

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::Response;
use http::request::Parts;
use narthex_pyrt::{Job, Runtime, TaskHandle, log_exception};
use narthex_wire::{Body, Code, Connection, Origin, Status, timeout};
use parking_lot::Mutex;
use pyo3::prelude::*;

pub(crate) use self::draft::{Abort, Draft};
pub(crate) use self::request::{Resolve, start};
pub(crate) use self::response::{Reply, set_status};

use self::body::begun;
use crate::error::usage_error;
use crate::method::{Kind, Method};
use crate::service::Host;

/// One call.
pub(crate) struct Call {
    pub(crate) host: Arc<Host>,
    pub(crate) head: Parts,
    pub(crate) deadline: Option<Instant>,
    /// Empty until a generic handler has been asked.
    method: OnceLock<Arc<Method>>,
    state: Mutex<State>,
}

/// The changing part. Python objects are never dropped under its lock: their destructors may call the context.
#[derive(Default)]
struct State {
    progress: Progress,
    reply: Option<Reply>,
    waker: Option<Waker>,
    draft: Draft,
    task: Option<TaskHandle>,
    callbacks: Vec<Py<PyAny>>,
    /// The callbacks have run; no more are taken.
    over: bool,
}

/// How far a call has come, as its client sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// No status yet.
    #[default]
    Open,
    /// The status is on its way.
    Answered,
    /// The client is gone, or the deadline is over.
    Cancelled,
}

/// What decides about a handler's reply.
struct Standing {
    progress: Progress,
    code: Code,
    /// The exception of an earlier abort.
    abort: Option<PyErr>,
}

/// What [`Call::let_go`] gives back, to be dropped outside the lock.
struct Held {
    callbacks: Vec<Py<PyAny>>,
    _task: Option<TaskHandle>,
    /// Its traceback has the handler's frame, and that the context.
    _abort: Option<Py<PyAny>>,
}

impl Call {
    pub(crate) fn new(host: &Arc<Host>, head: Parts, method: Option<&Arc<Method>>) -> Arc<Self> {
        let deadline = timeout::parse(&head.headers).and_then(|timeout| {
            let origin = head.extensions.get::<Origin>();
            let arrival = origin.map_or_else(Instant::now, |origin| origin.arrival);
            arrival.checked_add(timeout)
        });
        Arc::new(Self {
            host: Arc::clone(host),
            head,
            deadline,
            method: method.map_or_else(OnceLock::new, |method| OnceLock::from(Arc::clone(method))),
            state: Mutex::default(),
        })
    }

    pub(crate) fn path(&self) -> &str {
        self.head.uri.path()
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.host.runtime
    }

    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.head.extensions.get::<Origin>().map(|origin| &*origin.connection)
    }

    /// The method, once it is known.
    pub(crate) fn method(&self) -> Option<&Arc<Method>> {
        self.method.get()
    }

    /// A generic handler knows the method.
    fn resolved(&self, method: Method) {
        // Only one job asks, so the cell is empty.
        let _ = self.method.set(Arc::new(method));
        let waker = self.state.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.state.lock().progress
    }

    /// Answers, unless the call has an answer or nobody waits for one.
    pub(crate) fn answer(&self, reply: Reply) {
        let mut state = self.state.lock();
        if state.progress != Progress::Open {
            return;
        }
        state.progress = Progress::Answered;
        state.reply = Some(reply);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The handler has sent its initial metadata: the response may begin.
    ///
    /// One that answers before the response future runs again costs nothing more for it: all of it is one response then.
    pub(crate) fn begin(&self) {
        let waker = self.state.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The answer; otherwise a wake-up when there is more to see: the answer, its beginning, or the method.
    pub(crate) fn poll_reply(&self, cx: &Context<'_>) -> Poll<Reply> {
        let mut state = self.state.lock();
        if let Some(reply) = state.reply.take() {
            return Poll::Ready(reply);
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The whole response, or its beginning with the answer as a body still to come.
    pub(crate) fn poll_response(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Response<Body>> {
        if let Poll::Ready(reply) = self.poll_reply(cx) {
            return Poll::Ready(reply.into_response());
        }
        match self.with_draft(Draft::take_unsent_initial) {
            Some(initial) => Poll::Ready(begun(self, initial)),
            None => Poll::Pending,
        }
    }

    /// Nobody waits for the answer any more: tells the handler.
    pub(crate) fn abandon(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.progress != Progress::Open {
            return;
        }
        state.progress = Progress::Cancelled;
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.cancel_soon(self.runtime());
        }
        if self.method().is_some_and(|method| method.kind == Kind::Sync) {
            // A handler on a lane cannot be cancelled: its callbacks are how it learns.
            self.runtime().push(RunCallbacks(Arc::clone(self)));
        }
    }

    /// Keeps the handler's task until the call is over, so that it can be cancelled.
    fn keep(&self, task: TaskHandle) {
        let mut state = self.state.lock();
        if state.progress == Progress::Cancelled {
            drop(state);
            task.cancel_soon(self.runtime());
        } else {
            state.task = Some(task);
        }
    }

    /// Reads or changes what the handler has said of its status. `f` must not call Python nor drop Python objects.
    pub(crate) fn with_draft<R>(&self, f: impl FnOnce(&mut Draft) -> R) -> R {
        f(&mut self.state.lock().draft)
    }

    /// Where the call stands.
    fn standing(&self, py: Python<'_>) -> Standing {
        let state = self.state.lock();
        let (progress, code) = (state.progress, state.draft.code());
        let abort = state.draft.abort.as_ref().map(|abort| abort.clone_ref(py));
        drop(state);
        Standing { progress, code, abort: abort.map(|abort| PyErr::from_value(abort.into_bound(py))) }
    }

    /// Whether the handler may still send something, as grpc.aio decides it.
    ///
    /// # Errors
    ///
    /// The very `AbortError` of an earlier abort, or `UsageError` when the call has ended.
    pub(crate) fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        match self.standing(py) {
            Standing { abort: Some(abort), .. } => Err(abort),
            Standing { progress: Progress::Answered, .. } => Err(usage_error(py, "RPC already finished.")),
            Standing { .. } => Ok(()),
        }
    }

    /// Adds a callback for the call's end; `false` if it is over.
    pub(crate) fn add_callback(&self, callback: Py<PyAny>) -> bool {
        let mut state = self.state.lock();
        if state.over {
            return false;
        }
        state.callbacks.push(callback);
        true
    }

    /// The call is over: what holds its context, and so the call itself, must not be held by the call any longer. Python's
    /// garbage collector does not see through it.
    fn let_go(&self) -> Held {
        let mut state = self.state.lock();
        state.over = true;
        Held {
            callbacks: std::mem::take(&mut state.callbacks),
            _task: state.task.take(),
            _abort: state.draft.abort.take(),
        }
    }

    /// The handler has ended, or its client is gone: calls the callbacks, with `context` where they take one.
    fn over(&self, py: Python<'_>, context: Option<&Bound<'_, PyAny>>) {
        for callback in self.let_go().callbacks {
            let callback = callback.bind(py);
            let called = match context {
                Some(context) => callback.call1((context,)),
                None => callback.call0(),
            };
            if let Err(error) = called {
                log_exception(py, &format!("Error in callback for method [{}]", self.path()), &error);
            }
        }
    }
}

/// Calls a synchronous handler's callbacks because its client is gone.
struct RunCallbacks(Arc<Call>);

impl Job for RunCallbacks {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        self.0.over(py, None);
    }
}

/// The duty to end a call, held by whatever runs for it. Dropped undone (a panic, a runtime that has stopped) it answers, so
/// that no client waits for ever.
struct Ending(Option<Arc<Call>>);

impl Ending {
    fn of(call: &Arc<Call>) -> Self {
        Self(Some(Arc::clone(call)))
    }

    /// Takes the duty off.
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(call) = self.0.take() else { return };
        let status = if std::thread::panicking() {
            Status::internal("a bug in the server ended this call")
        } else {
            Status::unavailable("the server is shutting down")
        };
        call.answer(status.into());
        drop(call.let_go());
    }
}
