//! What Rust has for Python: jobs and wake-ups, run by the pump on the event loop's thread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::Python;
use rustix::event::{EventfdFlags, eventfd};

use crate::awaitable::Waiter;
use crate::runtime::Runtime;

/// One call into Python, run once by the pump with the interpreter attached.
pub trait Job: Send + 'static {
    /// Runs the job. It must not block: the event loop waits.
    fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<Runtime>);
}

/// An entry of the inbox.
pub(crate) enum Item {
    Job(Box<dyn Job>),
    /// Resume a coroutine that waits for Rust; needs no allocation.
    Wake(Arc<Waiter>),
}

/// The queue, and the bell that calls the pump when the reactor's descriptor does not.
///
/// Most entries are pushed by tasks that the pump itself runs; it looks at the queue right after them, so nothing needs to
/// be told. Entries pushed by the standby or another thread ring the bell, a descriptor the event loop watches as well.
pub(crate) struct Inbox {
    state: Mutex<State>,
    bell: OwnedFd,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// The pump is running and will look at `items` before it returns.
    attended: bool,
    /// The bell is rung and not yet silenced.
    rung: bool,
}

impl Inbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { state: Mutex::default(), bell })
    }

    /// The descriptor that is readable when the pump has to be called for the inbox's sake.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    pub(crate) fn push(&self, item: Item) {
        let mut state = self.state.lock();
        state.items.push_back(item);
        let ring = !state.attended && !state.rung;
        state.rung |= ring;
        drop(state);
        if ring {
            self.ring();
        }
    }

    /// The pump starts: from here to [`leave`](Self::leave) nobody rings.
    pub(crate) fn attend(&self) {
        let mut state = self.state.lock();
        state.attended = true;
        let silence = std::mem::take(&mut state.rung);
        drop(state);
        if silence {
            // Nothing to read is fine: only the count matters, and it is gone either way.
            let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        }
    }

    /// How many entries are queued.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().items.len()
    }

    /// The next entry. They stay here until they are run, for a pump inside the pump to find.
    pub(crate) fn pop(&self) -> Option<Item> {
        self.state.lock().items.pop_front()
    }

    /// The pump returns to the loop, or does not come back from Python, which may run the event loop inside the event loop;
    /// what is still queued calls it again.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock();
        state.attended = false;
        let ring = !state.items.is_empty() && !state.rung;
        state.rung |= ring;
        drop(state);
        if ring {
            self.ring();
        }
    }

    fn ring(&self) {
        // Fails only when the counter is full, and then the bell is ringing.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}
