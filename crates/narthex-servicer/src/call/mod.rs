//! One call: what its two sides, the response future in Rust and the handler in Python, know together.
//!
//! Whoever comes first ends it: the handler by returning, raising or aborting, the client by leaving (the future is dropped),
//! or nobody, when what should have run is dropped ([`Ending`]). Later answers change nothing.

mod draft;
mod outgoing;
mod reply;
mod requests;
mod resolve;
mod sender;
mod sending;
mod start;
mod streamed;

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::Response;
use http::request::Parts;
use narthex_pyrt::{Job, Runtime, TaskHandle, log_exception};
use narthex_wire::envelope::Decoder;
use narthex_wire::{Body, Code, Connection, Origin, Status, timeout};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

pub(crate) use self::draft::{Abort, Draft};
pub(crate) use self::reply::{Reply, failed, set_status};
pub(crate) use self::requests::{Received, Requests};
pub(crate) use self::resolve::resolve;
pub(crate) use self::sending::Waiting;
pub(crate) use self::start::{Input, start};

use self::outgoing::Outgoing;
use self::streamed::{Piece, begun};
use crate::error::usage_error;
use crate::metadata;
use crate::method::{Kind, Method};
use crate::service::{Host, Slot};

/// One call.
pub(crate) struct Call {
    pub(crate) host: Arc<Host>,
    pub(crate) head: Parts,
    pub(crate) deadline: Option<Instant>,
    /// Empty until Python has found it, where it takes Python to find it.
    method: OnceLock<Arc<Method>>,
    /// Empty where the request is one message.
    requests: OnceLock<Box<Requests>>,
    invocation_metadata: PyOnceLock<Py<PyTuple>>,
    state: Mutex<State>,
}

/// The changing part. Python objects are never dropped under its lock: their destructors may call the context.
#[derive(Default)]
struct State {
    progress: Progress,
    reply: Option<Reply>,
    waker: Option<Waker>,
    draft: Draft,
    outgoing: Outgoing,
    task: Option<TaskHandle>,
    callbacks: Vec<Py<PyAny>>,
    /// The callbacks have run; no more are taken.
    over: bool,
    /// The context (`contextvars`) that interceptors and handler share.
    surroundings: Option<Py<PyAny>>,
    slot: Option<Slot>,
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

/// Why a call is over.
#[derive(Clone, Copy)]
enum Ended {
    Handler,
    /// It is gone. A synchronous handler that has aborted may run still, and is known by its abort when it ends.
    Client,
}

/// What [`Call::let_go`] gives back, to be dropped outside the lock.
struct Held {
    callbacks: Vec<Py<PyAny>>,
    _task: Option<TaskHandle>,
    /// Its traceback has the handler's frame, and that the context.
    _abort: Option<Py<PyAny>>,
    /// A variable in it may hold the context.
    _surroundings: Option<Py<PyAny>>,
    _slot: Option<Slot>,
}

impl Call {
    pub(crate) fn new(
        host: &Arc<Host>,
        head: Parts,
        method: Option<&Arc<Method>>,
        slot: Option<Slot>,
    ) -> Arc<Self> {
        let deadline = timeout::parse(&head.headers).and_then(|timeout| {
            let origin = head.extensions.get::<Origin>();
            let arrival = origin.map_or_else(Instant::now, |origin| origin.arrival);
            arrival.checked_add(timeout)
        });
        let call = Arc::new(Self {
            host: Arc::clone(host),
            head,
            deadline,
            method: method.map_or_else(OnceLock::new, |method| OnceLock::from(Arc::clone(method))),
            requests: OnceLock::new(),
            invocation_metadata: PyOnceLock::new(),
            state: Mutex::new(State { slot, ..State::default() }),
        });
        call.compress(host.options.compression);
        call
    }

    pub(crate) fn path(&self) -> &str {
        self.head.uri.path()
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.host.runtime
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.head.extensions.get()
    }

    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.origin().map(|origin| &*origin.connection)
    }

    pub(crate) fn invocation_metadata<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyTuple>> {
        let tuple = self
            .invocation_metadata
            .get_or_try_init(py, || metadata::to_python(py, &self.head.headers).map(Bound::unbind))?;
        Ok(tuple.bind(py))
    }

    /// The method, once it is known.
    pub(crate) fn method(&self) -> Option<&Arc<Method>> {
        self.method.get()
    }

    /// Python has found the method.
    fn resolved(&self, method: Arc<Method>) {
        // Only one job asks, so the cell is empty.
        let _ = self.method.set(method);
        self.wake();
    }

    /// Has the request's messages read from `body` when they are asked for.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for an encoding that is not enabled.
    pub(crate) fn stream_requests(&self, body: Body) -> Result<(), Status> {
        let options = &self.host.options;
        let decoder = Decoder::new(options.enabled.declared(&self.head.headers)?, options.max_message);
        if let Some(origin) = self.origin() {
            origin.upload.let_pause();
        }
        // Only the response future sets it, and once.
        let _ = self.requests.set(Box::new(Requests::new(body, decoder)));
        Ok(())
    }

    /// The request's messages, where they stream.
    pub(crate) fn requests(&self) -> Option<&Requests> {
        self.requests.get().map(|requests| &**requests)
    }

    pub(crate) fn progress(&self) -> Progress {
        self.state.lock().progress
    }

    /// Has whoever waits for the response look again.
    fn wake(&self) {
        let waker = self.state.lock().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Answers, unless the call has an answer or nobody waits for one.
    pub(crate) fn answer(&self, reply: Reply) {
        let mut state = self.state.lock();
        if state.progress != Progress::Open {
            return;
        }
        state.progress = Progress::Answered;
        state.reply = Some(reply);
        let (waker, writers) = (state.waker.take(), state.outgoing.take_writers());
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        writers.wake();
    }

    /// The handler has sent its initial metadata: the response may begin.
    ///
    /// One that answers before the response future runs again costs nothing more for it: all of it is one response then.
    pub(crate) fn begin(&self) {
        self.wake();
    }

    /// The answer; otherwise a wake-up when there is more to see: the answer, its beginning, or the method.
    pub(crate) fn poll_reply(&self, cx: &Context<'_>) -> Poll<Reply> {
        let mut state = self.state.lock();
        match state.reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => state.wait(cx),
        }
    }

    /// The whole response, or its beginning with the rest as a body still to come.
    pub(crate) fn poll_response(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Response<Body>> {
        let mut state = self.state.lock();
        let streams = !state.outgoing.is_empty();
        if (!streams || state.outgoing.is_one_piece())
            && let Some(mut reply) = state.reply.take()
        {
            if streams {
                reply.message = state.outgoing.take();
                state.draft.declare_encoding(&mut reply.initial);
            }
            return Poll::Ready(reply.into_response());
        }
        let initial = match &mut state.reply {
            Some(reply) => Some(std::mem::take(&mut reply.initial)),
            None => state.draft.take_unsent_initial(),
        };
        let Some(mut initial) = initial else { return state.wait(cx) };
        state.draft.declare_encoding(&mut initial);
        drop(state);
        Poll::Ready(begun(self, initial))
    }

    /// What comes next of a response that has begun.
    fn poll_piece(&self, cx: &Context<'_>) -> Poll<Piece> {
        let mut state = self.state.lock();
        if let Some(data) = state.outgoing.take() {
            let writers = state.outgoing.writers();
            drop(state);
            if let Some(writers) = writers {
                writers.wake();
            }
            return Poll::Ready(Piece::Data(data));
        }
        match state.reply.take() {
            Some(reply) => Poll::Ready(Piece::End(reply.message.unwrap_or_default(), reply.trailers)),
            None => state.wait(cx),
        }
    }

    /// Nobody waits for the answer any more: tells the handler.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.break_off(None);
    }

    /// The client has sent what cannot be read, or cannot be sent what the handler gave: answers with `status` and tells the
    /// handler, as if the client had gone.
    pub(crate) fn fail(self: &Arc<Self>, status: Status) {
        self.break_off(Some(status));
    }

    fn break_off(self: &Arc<Self>, status: Option<Status>) {
        let mut state = self.state.lock();
        if state.progress != Progress::Open {
            return;
        }
        state.progress = Progress::Cancelled;
        state.reply = status.map(Reply::from);
        let (task, waker) = (state.task.take(), state.waker.take());
        let writers = state.outgoing.take_writers();
        drop(state);
        if let Some(task) = task {
            task.cancel_soon(self.runtime());
        }
        waker.into_iter().for_each(Waker::wake);
        writers.wake();
        if let Some(requests) = self.requests() {
            requests.close();
        }
        if self.method().is_some_and(|method| method.kind == Kind::Sync) {
            // A handler on a lane cannot be cancelled: its callbacks are how it learns.
            self.runtime().push(RunCallbacks(Arc::clone(self)));
        }
    }

    /// The context (`contextvars`) of this call, made with the first question: a copy of the one that the application was
    /// loaded in, which interceptors and handler share.
    fn surroundings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(context) = self.shared_surroundings(py) {
            return Ok(context);
        }
        let context = self.runtime().context_copy(py)?;
        self.state.lock().surroundings = Some(context.clone().unbind());
        Ok(context)
    }

    /// The same where somebody has asked for it before; a coroutine that has no interceptors makes its own.
    fn shared_surroundings<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let state = self.state.lock();
        state.surroundings.as_ref().map(|context| context.bind(py).clone())
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

    /// Where the call stands, for a handler that would send something. That its client is gone is not an error yet, as in
    /// grpc.aio.
    ///
    /// # Errors
    ///
    /// The very `AbortError` of an earlier abort, or `UsageError` when the call has ended.
    pub(crate) fn check_open(&self, py: Python<'_>) -> PyResult<Progress> {
        match self.standing(py) {
            Standing { abort: Some(abort), .. } => Err(abort),
            Standing { progress: Progress::Answered, .. } => Err(usage_error(py, "RPC already finished.")),
            Standing { progress, .. } => Ok(progress),
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
    fn let_go(&self, ended: Ended) -> Held {
        if let Some(requests) = self.requests() {
            requests.close();
        }
        let mut state = self.state.lock();
        state.over = true;
        Held {
            callbacks: std::mem::take(&mut state.callbacks),
            _task: state.task.take(),
            _abort: match ended {
                Ended::Handler => state.draft.abort.take(),
                Ended::Client => None,
            },
            _surroundings: state.surroundings.take(),
            _slot: state.slot.take(),
        }
    }

    /// Calls the callbacks, with `context` where they take one.
    fn over(&self, py: Python<'_>, ended: Ended, context: Option<&Bound<'_, PyAny>>) {
        for callback in self.let_go(ended).callbacks {
            let callback = callback.bind(py);
            let called = match context {
                Some(context) => callback.call1((context,)),
                None => callback.call0(),
            };
            if let Err(error) = called {
                log_exception(py, &format!("Error in callback for method [{}]", self.path()), &error);
                if context.is_some() && self.host.options.dialect.ends_callbacks_with_an_error() {
                    break;
                }
            }
        }
    }
}

impl State {
    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Calls a synchronous handler's callbacks because its client is gone.
struct RunCallbacks(Arc<Call>);

impl Job for RunCallbacks {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        self.0.over(py, Ended::Client, None);
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
        drop(call.let_go(Ended::Handler));
    }
}

/// Has a lane run `work` for this call.
fn on_lane(call: &Call, work: impl FnOnce(Python<'_>) + Send + 'static) -> Result<(), Status> {
    call.runtime().submit(work).map_err(|_| {
        Status::resource_exhausted("too many synchronous calls wait for a thread; try again later")
    })
}
