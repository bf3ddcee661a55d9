//! The pump: what the event loop calls when the reactor's descriptor (or the inbox's bell) is readable.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use narthex_reactor::{Budget, Turn};
use pyo3::prelude::*;

use crate::inbox::Item;
use crate::runtime::Runtime;

/// How long one call of the pump may keep the event loop from Python's own callbacks, timers and descriptors.
const TURN: Duration = Duration::from_millis(1);
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

    /// Passes of Rust and of Python by turns. Rust looks at the sockets in each: a client that answers while Python is
    /// called keeps the pump in its turn, and both sides busy, where a return to the event loop would make them wait for
    /// each other.
    fn turns(self: &Arc<Self>, py: Python<'_>) {
        let end = Instant::now() + TURN;
        let mut items = std::mem::take(&mut *self.scratch.lock());
        let budget = Budget { tasks: TASKS, time: TURN };
        loop {
            // Always detached: other Python threads run meanwhile, and it costs nothing measurable.
            let rust = py.detach(|| self.reactor.driver().pass(budget));
            self.epoch.fetch_add(2, Ordering::SeqCst);
            self.inbox.take(&mut items);
            if items.is_empty() && rust == Turn::Idle {
                break;
            }
            let called = !items.is_empty();
            if called {
                self.signals.python_is_called();
                self.run_items(py, &mut items, end);
            }
            if Instant::now() >= end {
                if called {
                    // What Python woke is not to wait for the event loop's other callbacks.
                    py.detach(|| self.reactor.driver().flush(budget));
                }
                break;
            }
        }
        *self.scratch.lock() = items;
    }

    /// Runs the entries, or as many as there is time for until `end`; the others go back.
    fn run_items(self: &Arc<Self>, py: Python<'_>, items: &mut VecDeque<Item>, end: Instant) {
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
            self.inbox.put_back(items);
        }
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
