//! The end of a server: what is in flight ends or is cut off, then the application's lifespan, each within the timeout.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use narthex_asgi::Lifespan;
use narthex_edge::Serving;
use narthex_pyrt::{Job, Runtime};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

/// How long what was cancelled gets to end before the server ends without it.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// Waits for connections and calls to end, cuts them off at the timeout, then has Python run [`End`].
pub(crate) async fn drain(runtime: Arc<Runtime>, serving: Option<Serving>, mut end: End) {
    let timeout = end.timeout;
    let over = Instant::now() + timeout;
    if let Some(serving) = &serving {
        serving.drain();
        end.graceful &= before(&runtime, over, serving.drained()).await;
        if !end.graceful {
            if !timeout.is_zero() {
                tracing::warn!(
                    "{} connections were not done after {timeout:?} and are closed",
                    serving.connections()
                );
            }
            serving.abort();
        }
    }
    // What a request left running after its response (background work) is waited for as well.
    if !before(&runtime, over, runtime.idle()).await {
        end.graceful = false;
        if !timeout.is_zero() {
            let (requests, on_lanes) = (runtime.requests(), runtime.calls_on_lanes());
            if requests > 0 {
                tracing::warn!("{requests} calls were not done after {timeout:?} and are cancelled");
            }
            if on_lanes > 0 {
                tracing::warn!(
                    "{on_lanes} calls on threads were not done after {timeout:?}: they cannot be cancelled, and are left"
                );
            }
        }
        runtime.push(CancelRequests);
        before(&runtime, Instant::now() + CANCEL_GRACE, runtime.idle()).await;
    }
    runtime.push(end);
}

/// Ends the process when Python does not come back to the event loop, though the time for stopping is over.
///
/// A handler that never returns would keep the server from stopping for ever: everything else of a shutdown needs the loop.
/// This runs on the standby then, whatever Python does meanwhile.
pub(crate) struct StopLimit {
    runtime: Arc<Runtime>,
    lifespan: Option<Arc<Lifespan>>,
    begun: AtomicBool,
}

impl StopLimit {
    pub(crate) fn new(runtime: Arc<Runtime>, lifespan: Option<Arc<Lifespan>>) -> Arc<Self> {
        Arc::new(Self { runtime, lifespan, begun: AtomicBool::new(false) })
    }

    /// A stop was asked for, by whoever hears of it first: the process has `timeout` from now on, or exits with `code`.
    pub(crate) fn begin(self: &Arc<Self>, timeout: Duration, code: i32) {
        if !self.begun.swap(true, Ordering::AcqRel) {
            self.runtime.reactor().spawn(leave_a_stuck_loop(Arc::clone(self), timeout, code)).detach();
        }
    }
}

async fn leave_a_stuck_loop(limit: Arc<StopLimit>, timeout: Duration, code: i32) {
    let StopLimit { runtime, lifespan, .. } = &*limit;
    runtime.reactor().sleep(timeout).await;
    loop {
        // The lifespan's shutdown has its own time, and may keep the loop as long.
        let ending = lifespan.as_ref().is_some_and(|lifespan| lifespan.is_stopping());
        let patience = if ending { timeout.max(CANCEL_GRACE) } else { CANCEL_GRACE };
        let alive = Arc::new(AtomicBool::new(false));
        runtime.push(Alive(Arc::clone(&alive)));
        runtime.reactor().sleep(patience).await;
        if !alive.load(Ordering::Acquire) {
            tracing::warn!(
                "the application has kept the event loop busy for {patience:?} after the time for stopping was over: \
                 the process ends without it"
            );
            leave(code);
        }
    }
}

/// Ends the process as `os._exit` does: nothing that would wait for Python is called.
#[expect(unsafe_code, reason = "only libc offers an exit without exit handlers")]
fn leave(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions; it is callable from any thread at any time and does not return.
    unsafe { libc::_exit(code) }
}

/// Says that the event loop runs its callbacks.
struct Alive(Arc<AtomicBool>);

impl Job for Alive {
    fn run(self: Box<Self>, _: Python<'_>, _: &Arc<Runtime>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Whether `future` was done in time.
async fn before(runtime: &Runtime, deadline: Instant, future: impl Future<Output = ()>) -> bool {
    let mut sleep = pin!(runtime.reactor().sleep_until(deadline));
    let mut future = pin!(future);
    poll_fn(|cx| {
        if future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        sleep.as_mut().poll(cx).map(|()| false)
    })
    .await
}

struct CancelRequests;

impl Job for CancelRequests {
    fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>) {
        runtime.cancel_requests(py);
    }
}

/// The last step of a shutdown: the lifespan's end, then the answer to whoever awaits the shutdown.
pub(crate) struct End {
    answer: Py<PyAny>,
    lifespan: Option<Arc<Lifespan>>,
    timeout: Duration,
    graceful: bool,
}

impl Job for End {
    fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>) {
        if let Err(error) = self.end(py, runtime) {
            narthex_pyrt::log_exception(py, "the shutdown could not be completed", &error);
        }
    }
}

impl End {
    /// The end of `lifespan`, which gets `timeout` of its own; `answer` is the asyncio future of whoever waits.
    pub(crate) fn new(answer: Py<PyAny>, lifespan: Option<Arc<Lifespan>>, timeout: Duration) -> Self {
        Self { answer, lifespan, timeout, graceful: true }
    }

    fn end(&self, py: Python<'_>, runtime: &Arc<Runtime>) -> PyResult<()> {
        let (answer, graceful) = (self.answer.clone_ref(py), self.graceful);
        let ended = match &self.lifespan {
            Some(lifespan) => lifespan.shutdown(py)?,
            None => None,
        };
        let Some(ended) = ended else { return resolve(answer.bind(py), graceful) };
        let overdue = Overdue { answer: answer.clone_ref(py), timeout: self.timeout.max(CANCEL_GRACE) };
        let then = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            resolve(answer.bind(args.py()), graceful)
        };
        ended.call_method1("add_done_callback", (PyCFunction::new_closure(py, None, None, then)?,))?;
        let waiting = Arc::clone(runtime);
        let watch = async move {
            waiting.reactor().sleep(overdue.timeout).await;
            waiting.push(overdue);
        };
        runtime.reactor().spawn(watch).detach();
        Ok(())
    }
}

/// Ends the wait for a lifespan that does not end.
struct Overdue {
    answer: Py<PyAny>,
    timeout: Duration,
}

impl Job for Overdue {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        let answer = self.answer.bind(py);
        if answer.call_method0("done").is_ok_and(|done| done.is_truthy().unwrap_or(true)) {
            return;
        }
        tracing::warn!(
            "the application's lifespan shutdown was not done after {:?} and is left",
            self.timeout
        );
        if let Err(error) = resolve(answer, false) {
            narthex_pyrt::log_exception(py, "the shutdown could not be completed", &error);
        }
    }
}

/// Sets the result of an asyncio future, unless its waiter has gone.
pub(crate) fn resolve(future: &Bound<'_, PyAny>, value: bool) -> PyResult<()> {
    if !future.call_method0("done")?.is_truthy()? {
        future.call_method1("set_result", (value,))?;
    }
    Ok(())
}
