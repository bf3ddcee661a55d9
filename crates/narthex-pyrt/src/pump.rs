//! The pump: what the event loop calls when the reactor's descriptor (or the inbox's bell) is readable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use narthex_reactor::Budget;
use pyo3::prelude::*;

use crate::inbox::Item;
use crate::runtime::Runtime;

/// How long one call of the pump may keep the event loop from Python's own callbacks, timers and descriptors.
const TURN: Duration = Duration::from_millis(5);
/// How many Rust tasks run before Python is looked after again.
const TASKS: usize = 1024;
/// How many entries of the inbox run between two looks at the clock.
const CLOCK_EVERY: usize = 8;

/// The object whose `run` the event loop calls.
#[pyclass(frozen, module = "narthex._native")]
pub(crate) struct Pump {
    runtime: Arc<Runtime>,
}

impl Pump {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime }
    }
}

#[pymethods]
impl Pump {
    fn run(&self, py: Python<'_>) {
        self.runtime.pump(py);
    }
}

impl Runtime {
    /// One turn: Rust's tasks, then what they have for Python, until both have nothing left or the turn's time is used.
    ///
    /// What is left over makes one of the two descriptors readable, so the loop calls again after its other callbacks.
    fn pump(self: &Arc<Self>, py: Python<'_>) {
        if self.is_forked() {
            // Called by the parent's descriptors. A look at anything else might be at what another thread of the parent has
            // locked.
            return;
        }
        if self.pump_is_running() {
            // A handler runs an event loop inside the event loop; the outer pump goes on when it returns.
            return;
        }
        self.epoch.fetch_add(1, Ordering::SeqCst);
        let attending = self.reactor.attend();
        self.inbox.attend();
        self.turns(py);
        self.inbox.leave();
        drop(attending);
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    fn turns(self: &Arc<Self>, py: Python<'_>) {
        let end = Instant::now() + TURN;
        let mut items = std::mem::take(&mut *self.scratch.lock());
        let budget = Budget { tasks: TASKS, time: TURN };
        // Always detached: other Python threads run meanwhile, and it costs nothing measurable.
        py.detach(|| self.reactor.driver().turn(budget));
        loop {
            self.epoch.fetch_add(2, Ordering::SeqCst);
            self.inbox.take(&mut items);
            if items.is_empty() {
                break;
            }
            self.signals.python_is_called();
            let mut until_clock = CLOCK_EVERY;
            while let Some(item) = items.pop_front() {
                self.run_item(py, item);
                until_clock -= 1;
                if until_clock == 0 {
                    until_clock = CLOCK_EVERY;
                    if Instant::now() >= end {
                        break;
                    }
                }
            }
            self.end_if_forked(py, None);
            if !items.is_empty() {
                self.inbox.put_back(&mut items);
            }
            // What Python woke, without another look at the sockets: those make the descriptor readable by themselves.
            py.detach(|| self.reactor.driver().flush(budget));
            if Instant::now() >= end {
                break;
            }
        }
        *self.scratch.lock() = items;
    }

    /// Runs one entry; one that panics ends alone.
    fn run_item(self: &Arc<Self>, py: Python<'_>, item: Item) {
        let ran = catch_unwind(AssertUnwindSafe(|| match item {
            Item::Wake(waiter) => waiter.resume(py),
            Item::Job(job) => job.run(py, self),
        }));
        if ran.is_err() {
            tracing::error!("bug: a call into Python panicked; only its exchange ends");
        }
    }
}
