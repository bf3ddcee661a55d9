//! The pump: what the event loop calls when the reactor's descriptor (or a bell of the inbox) is readable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use narthex_reactor::{Budget, Turn};
use pyo3::prelude::*;

use crate::inbox::{Caller, Item};
use crate::runtime::Runtime;

/// How long one call of the pump may keep the event loop from Python's own callbacks, timers and descriptors.
const TURN: Duration = Duration::from_millis(1);
/// How many Rust tasks run before Python is looked after again.
const TASKS: usize = 1024;
/// How many entries of the inbox run between two looks at the clock.
const CLOCK_EVERY: usize = 8;

/// The object whose methods the event loop calls.
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
        self.runtime.pump(py, Caller::Other);
    }

    fn run_by_inner_bell(&self, py: Python<'_>) {
        self.runtime.pump(py, Caller::InnerBell);
    }
}

impl Runtime {
    /// One turn: Rust's tasks, then what they have for Python, until both have nothing left or the turn's time is used.
    ///
    /// What is left over makes one of the descriptors readable, so the loop calls again after its other callbacks.
    fn pump(self: &Arc<Self>, py: Python<'_>, caller: Caller) {
        if self.is_forked() {
            // Called by the parent's descriptors. A look at anything else might be at what another thread of the parent has
            // locked.
            return;
        }
        // Inside the pump if Python code that it called runs the event loop again, as nest_asyncio lets it; the epoch stays odd then.
        let nested = self.pump_is_running();
        if nested {
            self.watch_anew(py);
        }
        let step = if nested { 2 } else { 1 };
        self.epoch.fetch_add(step, Ordering::SeqCst);
        let attending = self.reactor.attend();
        self.inbox.attend(caller);
        self.turns(py);
        self.inbox.leave();
        drop(attending);
        self.epoch.fetch_add(step, Ordering::SeqCst);
    }

    /// Passes of Rust and of Python by turns. Rust looks at the sockets in each: a client that answers while Python is
    /// called keeps the pump in its turn, and both sides busy, where a return to the event loop would make them wait for
    /// each other.
    fn turns(self: &Arc<Self>, py: Python<'_>) {
        let end = Instant::now() + TURN;
        let budget = Budget { tasks: TASKS, time: TURN };
        loop {
            // Always detached: other Python threads run meanwhile, and it costs nothing measurable.
            let rust = py.detach(|| {
                let rust = self.reactor.driver().pass(budget);
                // To get the interpreter back may take as long as any call: another thread may be in C code that keeps it.
                self.signals.python_is_needed();
                rust
            });
            self.epoch.fetch_add(2, Ordering::SeqCst);
            let items = self.inbox.len();
            if items == 0 && rust == Turn::Idle {
                break;
            }
            let called = items > 0;
            if called {
                self.run_items(py, items, end);
            }
            if Instant::now() >= end {
                if called {
                    // What Python woke is not to wait for the event loop's other callbacks.
                    py.detach(|| self.reactor.driver().flush(budget));
                }
                break;
            }
        }
    }

    /// Runs so many entries, or as many as there is time for until `end`.
    fn run_items(self: &Arc<Self>, py: Python<'_>, count: usize, end: Instant) {
        let mut until_clock = CLOCK_EVERY;
        for _ in 0..count {
            let Some(item) = self.inbox.pop() else { break };
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
