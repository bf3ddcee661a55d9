//! Who listens is told of a client's departure before who sends.
//!
//! An application that awaits `receive` while it sends ends its sending itself when `http.disconnect` comes. An `OSError` from
//! `send` at the same time would be in its way: Django's handler would then neither close its response nor send
//! `request_finished`, which is what closes database connections. So `send` waits, and raises if nothing has come of it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};

use narthex_pyrt::{Job, Runtime, log_exception};
use pyo3::intern;
use pyo3::prelude::*;

use crate::exchange::Exchange;

/// How many turns of the event loop `send` waits: from a listener's end to its sender's cancellation tasks and futures need
/// three or four.
const TURNS: u8 = 16;

/// Has `send` raise after those turns. They count from where the listener has gone on, which is queued before this.
pub(crate) struct Hold(pub(crate) Weak<Exchange>);

impl Job for Hold {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        let release = Release { exchange: self.0, turns: AtomicU8::new(TURNS) };
        let released = Bound::new(py, release).and_then(|release| release.call0());
        if let Err(error) = released {
            log_exception(py, "an application could not be told that its client has left", &error);
        }
    }
}

/// A callback of the event loop that comes back until its turns are over.
#[pyclass(frozen, module = "narthex._native")]
struct Release {
    exchange: Weak<Exchange>,
    turns: AtomicU8,
}

#[pymethods]
impl Release {
    fn __call__(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let Some(exchange) = this.exchange.upgrade() else { return Ok(()) };
        if this.turns.fetch_sub(1, Ordering::Relaxed) == 0 {
            exchange.release();
            return Ok(());
        }
        exchange.runtime.event_loop(py).call_method1(intern!(py, "call_soon"), (slf,)).map(drop)
    }
}
