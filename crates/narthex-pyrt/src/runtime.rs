//! The runtime of one event loop: the reactor, the inbox, the tasks in progress and the threads beside them.

use std::future::poll_fn;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};

use narthex_reactor::Reactor;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use slab::Slab;

use crate::inbox::{Inbox, Item, Job};
use crate::lanes::Lanes;
use crate::parked::Woken;
use crate::pump::Pump;
use crate::standby::{Signals, Standby};
use crate::task::TaskStarter;

/// What can be chosen about a [`Runtime`].
#[derive(Debug)]
pub struct RuntimeOptions {
    /// The most threads for synchronous Python code.
    pub lanes: usize,
    /// The most calls that may wait for such a thread.
    pub lane_queue: usize,
    /// A `concurrent.futures.Executor` that runs such code, in the place of threads of ours.
    pub executor: Option<Py<PyAny>>,
}

impl Default for RuntimeOptions {
    /// As many threads as `concurrent.futures.ThreadPoolExecutor` would make.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { lanes: (cores + 4).min(32), lane_queue: 1024, executor: None }
    }
}

/// The runtime of one event loop.
pub struct Runtime {
    pub(crate) reactor: Reactor,
    pub(crate) inbox: Inbox,
    /// Moves whenever the pump gets on; odd while the pump runs. The standby reads it.
    pub(crate) epoch: AtomicU64,
    pub(crate) signals: Signals,
    event_loop: Py<PyAny>,
    create_future: Py<PyAny>,
    pub(crate) starter: TaskStarter,
    pub(crate) woken: Woken,
    context: Py<PyAny>,
    tasks: Mutex<Tasks>,
    pub(crate) lanes: Lanes,
    /// A coroutine of ours ended by `SystemExit` or the like, which asyncio lets out of the loop as well.
    exit_absorbed: AtomicBool,
    attached: Mutex<Option<Attached>>,
}

/// Coroutines in progress. asyncio holds its tasks weakly, so somebody must hold them.
#[derive(Default)]
struct Tasks {
    running: Slab<Running>,
    /// How many of them are requests, which shutdown waits for.
    requests: usize,
    waiting_for_none: Vec<Waker>,
}

struct Running {
    task: Py<PyAny>,
    role: Role,
}

/// What a coroutine is to the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It serves a request: shutdown waits for it, and cancels it when its time is over.
    Request,
    /// It lives as long as the server: nobody waits for it here.
    Resident,
}

/// What exists only between `start` and `stop`.
struct Attached {
    pump: Py<Pump>,
    standby: Standby,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Runtime {
    /// A runtime for `event_loop`, which need not be running yet; any loop that has `add_reader` will do.
    pub fn new(
        event_loop: &Bound<'_, PyAny>,
        reactor: Reactor,
        options: RuntimeOptions,
    ) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        Ok(Arc::new(Self {
            reactor,
            inbox: Inbox::new()?,
            epoch: AtomicU64::new(0),
            signals: Signals::new()?,
            create_future: event_loop.getattr(intern!(py, "create_future"))?.unbind(),
            starter: TaskStarter::new(event_loop)?,
            woken: Woken::new(event_loop)?,
            context: py.import("contextvars")?.call_method0("copy_context")?.unbind(),
            event_loop: event_loop.clone().unbind(),
            tasks: Mutex::default(),
            lanes: Lanes::new(py, options),
            exit_absorbed: AtomicBool::new(false),
            attached: Mutex::new(None),
        }))
    }

    /// The reactor that the pump drives.
    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// The event loop.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.event_loop.bind(py)
    }

    /// A copy of the context (`contextvars`) that the runtime was made in, for one call on a lane: it sees what the
    /// application has set when it was loaded, as coroutines do, and what it sets itself does not reach the next call.
    pub fn context_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.context.bind(py).call_method0(intern!(py, "copy"))
    }

    /// A new future of the event loop.
    pub fn create_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.create_future.bind(py).call0()
    }

    /// Has the event loop watch the reactor, and starts the standby. On the loop's thread.
    pub fn start(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let mut attached = self.attached.lock();
        if attached.is_some() {
            return Ok(());
        }
        let pump = Bound::new(py, Pump::new(Arc::clone(self)))?;
        self.watch(py, &pump)?;
        let event_loop = self.event_loop.bind(py);
        // Work may have come before anyone watched: look once.
        event_loop.call_method1(intern!(py, "call_soon"), (pump.getattr(intern!(py, "run"))?,))?;
        crate::fork::watch(py, self)?;
        *attached = Some(Attached { pump: pump.unbind(), standby: Standby::start(Arc::clone(self))? });
        Ok(())
    }

    /// Whether [`start`](Self::start) has come and [`stop`](Self::stop) has not.
    pub(crate) fn is_started(&self) -> bool {
        self.attached.lock().is_some()
    }

    /// Ends what [`start`](Self::start) began and the lanes; idempotent. On the loop's thread.
    ///
    /// A forked child has neither threads to wait for nor an event loop of its own: nothing happens there.
    pub fn stop(&self, py: Python<'_>) {
        if self.is_forked() {
            return;
        }
        let Some(attached) = self.attached.lock().take() else { return };
        for descriptor in self.descriptors() {
            let removed = self.event_loop.bind(py).call_method1(intern!(py, "remove_reader"), (descriptor,));
            if let Err(error) = removed {
                tracing::debug!("the event loop no longer watches the reactor: {error}");
            }
        }
        drop(attached.pump);
        // Both may be waiting for the interpreter.
        py.detach(|| {
            attached.standby.stop();
            self.lanes.close();
        });
    }

    fn watch(&self, py: Python<'_>, pump: &Bound<'_, Pump>) -> PyResult<()> {
        let run = pump.getattr(intern!(py, "run"))?;
        let run_by_inner_bell = pump.getattr(intern!(py, "run_by_inner_bell"))?;
        for (descriptor, callback) in self.descriptors().into_iter().zip([&run, &run, &run_by_inner_bell]) {
            self.event_loop.bind(py).call_method1(intern!(py, "add_reader"), (descriptor, callback))?;
        }
        Ok(())
    }

    /// Has the event loop call the pump once more inside the pump: the callback that is running cannot be entered a second
    /// time, since its context (`contextvars`) is in use.
    pub(crate) fn watch_anew(&self, py: Python<'_>) {
        let pump = self.attached.lock().as_ref().map(|attached| attached.pump.clone_ref(py));
        if let Some(Err(error)) = pump.map(|pump| self.watch(py, pump.bind(py))) {
            crate::log_exception(py, "the event loop inside the event loop cannot watch the reactor", &error);
        }
    }

    /// The reactor's, and those of the outer bell and of the inner one.
    fn descriptors(&self) -> [i32; 3] {
        let [outer, inner] = self.inbox.bells();
        [self.reactor.as_raw_fd(), outer.as_raw_fd(), inner.as_raw_fd()]
    }

    /// Has the pump run `job` on the event loop's thread. Callable from any thread.
    pub fn push(&self, job: impl Job) {
        self.post(Item::Job(Box::new(job)));
    }

    pub(crate) fn post(&self, item: Item) {
        self.inbox.push(item);
    }

    /// Whether the pump is running (or Python code that the pump called).
    pub(crate) fn pump_is_running(&self) -> bool {
        self.epoch.load(Ordering::SeqCst) % 2 == 1
    }

    pub(crate) fn hold(&self, task: Py<PyAny>, role: Role) -> usize {
        let mut tasks = self.tasks.lock();
        tasks.requests += usize::from(role == Role::Request);
        tasks.running.insert(Running { task, role })
    }

    pub(crate) fn release(&self, key: usize) {
        let mut tasks = self.tasks.lock();
        let released = tasks.running.try_remove(key);
        if released.as_ref().is_some_and(|running| running.role == Role::Request) {
            tasks.requests -= 1;
        }
        let wake = if tasks.requests == 0 { std::mem::take(&mut tasks.waiting_for_none) } else { Vec::new() };
        drop(tasks);
        drop(released);
        wake.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn absorb_exit(&self) {
        self.exit_absorbed.store(true, Ordering::Release);
    }

    /// Whether a `SystemExit` or `KeyboardInterrupt` since the last look was a call's own end, and has been treated as that.
    ///
    /// asyncio sets it as the task's result and lets it out of the loop too. Whoever runs the loop asks here, after the
    /// task's callbacks have run, whether to go on.
    pub fn take_absorbed_exit(&self) -> bool {
        self.exit_absorbed.swap(false, Ordering::AcqRel)
    }

    /// How many coroutines of requests are in progress.
    pub fn requests(&self) -> usize {
        self.tasks.lock().requests
    }

    /// How many calls wait for a lane or run on one.
    pub fn calls_on_lanes(&self) -> usize {
        self.lanes.calls()
    }

    /// Ready once no request's coroutine is in progress and no call waits for a lane or runs on one.
    pub async fn idle(&self) {
        poll_fn(|cx| {
            let mut tasks = self.tasks.lock();
            if tasks.requests == 0 {
                return Poll::Ready(());
            }
            tasks.waiting_for_none.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
        self.lanes.idle().await;
    }

    /// Asks every request's coroutine to cancel; returns how many there were. On the loop's thread.
    pub fn cancel_requests(&self, py: Python<'_>) -> usize {
        let tasks = self.tasks.lock();
        let requests = tasks.running.iter().filter(|(_, running)| running.role == Role::Request);
        let requests: Vec<_> = requests.map(|(_, running)| running.task.clone_ref(py)).collect();
        drop(tasks);
        for task in &requests {
            if let Err(error) = task.call_method0(py, intern!(py, "cancel")) {
                crate::log_exception(py, "a task could not be cancelled", &error);
            }
        }
        requests.len()
    }
}
