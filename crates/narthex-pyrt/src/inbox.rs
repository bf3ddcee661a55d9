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

/// The queue, and the bells that call the pump when the reactor's descriptor does not.
///
/// Most entries are pushed by tasks that the pump itself runs; it looks at the queue right after them, so nothing needs to
/// be told. Entries pushed by the standby or another thread ring a bell, a descriptor the event loop watches as well.
pub(crate) struct Inbox {
    state: Mutex<State>,
    bells: [OwnedFd; 2],
}

/// Which of the bells.
#[derive(Clone, Copy)]
enum Bell {
    /// For a pump that has returned.
    Outer,
    /// For one that does not come back from Python, which may run the event loop inside the event loop. The callback that has
    /// called the pump, be it the other bell's, cannot be entered again; this one's seldom is the one.
    Inner,
}

/// What the pump is doing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Pump {
    /// It has returned to the event loop.
    #[default]
    Away,
    /// It is running and will look at the entries before it returns.
    Attending,
    /// It runs, but has not moved for a tick.
    Stuck,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    pump: Pump,
    /// Which bells are rung and not yet silenced.
    rung: [bool; 2],
}

impl State {
    /// The bell to be rung now, if one is and does not ring already.
    fn ring(&mut self) -> Option<Bell> {
        let bell = match self.pump {
            Pump::Attending => return None,
            _ if self.items.is_empty() => return None,
            Pump::Away => Bell::Outer,
            Pump::Stuck => Bell::Inner,
        };
        let rung = std::mem::replace(&mut self.rung[bell as usize], true);
        (!rung).then_some(bell)
    }
}

impl Inbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        let bell = || eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        Ok(Self { state: Mutex::default(), bells: [bell()?, bell()?] })
    }

    /// The descriptors that are readable when the pump has to be called for the inbox's sake.
    pub(crate) fn bells(&self) -> [BorrowedFd<'_>; 2] {
        self.bells.each_ref().map(AsFd::as_fd)
    }

    pub(crate) fn push(&self, item: Item) {
        let mut state = self.state.lock();
        state.items.push_back(item);
        let bell = state.ring();
        drop(state);
        self.ring(bell);
    }

    /// The pump starts: from here to [`leave`](Self::leave) nobody rings.
    pub(crate) fn attend(&self) {
        let mut state = self.state.lock();
        state.pump = Pump::Attending;
        let silenced = std::mem::take(&mut state.rung);
        drop(state);
        for (bell, _) in self.bells.iter().zip(silenced).filter(|(_, rung)| *rung) {
            // Nothing to read is fine: only the count matters, and it is gone either way.
            let _ = rustix::io::read(bell, &mut [0; 8]);
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

    /// The pump returns to the loop; what is still queued calls it again.
    pub(crate) fn leave(&self) {
        self.turn_away(|pump| *pump = Pump::Away);
    }

    /// The pump, if it runs, does not move. If Python runs the event loop inside the event loop, what is queued calls it there.
    pub(crate) fn neglected(&self) {
        self.turn_away(|pump| {
            if *pump == Pump::Attending {
                *pump = Pump::Stuck;
            }
        });
    }

    fn turn_away(&self, turn: impl FnOnce(&mut Pump)) {
        let mut state = self.state.lock();
        turn(&mut state.pump);
        let bell = state.ring();
        drop(state);
        self.ring(bell);
    }

    fn ring(&self, bell: Option<Bell>) {
        if let Some(bell) = bell {
            // Fails only when the counter is full, and then the bell is ringing.
            let _ = rustix::io::write(&self.bells[bell as usize], &1_u64.to_ne_bytes());
        }
    }
}
