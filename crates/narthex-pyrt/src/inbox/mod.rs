//! What Rust has for Python: jobs and wake-ups, run by the pump on the event loop's thread.

mod protocol;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::Python;
use rustix::event::{EventfdFlags, eventfd};

pub(crate) use self::protocol::Caller;
use self::protocol::{Bells, Protocol};
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
/// be told. Entries pushed by the standby or another thread ring a bell, a descriptor the event loop watches as well: the outer one,
/// or the inner one for a pump that does not come back from Python, which may run the event loop inside the event loop.
pub(crate) struct Inbox {
    protocol: Mutex<Protocol<Item>>,
    bells: [OwnedFd; 2],
}

impl Inbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        let bell = || eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        Ok(Self { protocol: Mutex::default(), bells: [bell()?, bell()?] })
    }

    /// The descriptors that are readable when the pump has to be called for the inbox's sake, the outer bell's and the inner one's.
    pub(crate) fn bells(&self) -> [BorrowedFd<'_>; 2] {
        self.bells.each_ref().map(AsFd::as_fd)
    }

    pub(crate) fn push(&self, item: Item) {
        self.ringing(|protocol| protocol.push(item));
    }

    /// The pump starts: nobody rings until it [leaves](Self::leave) or is [neglected](Self::neglected).
    pub(crate) fn attend(&self, caller: Caller) {
        let mut protocol = self.protocol.lock();
        let silenced = protocol.attend(caller);
        for (bell, _) in self.bells.iter().zip(silenced).filter(|(_, silenced)| *silenced) {
            // It was rung under the lock, so there is something to read.
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
    }

    /// How many entries are queued.
    pub(crate) fn len(&self) -> usize {
        self.protocol.lock().len()
    }

    /// The next entry. They stay here until they are run, for a pump inside the pump to find.
    pub(crate) fn pop(&self) -> Option<Item> {
        self.protocol.lock().pop()
    }

    /// The pump returns to the loop; what is still queued calls it again.
    pub(crate) fn leave(&self) {
        self.ringing(Protocol::leave);
    }

    /// The pump, if it runs, does not move. If Python runs the event loop inside the event loop, what is queued calls it there.
    pub(crate) fn neglected(&self) {
        self.ringing(Protocol::neglected);
    }

    /// A step, and the bells that it rings. Under the lock, as silencing is: a bell that rang after it was silenced would ring for
    /// ever, and one silenced after it rang never again.
    fn ringing(&self, step: impl FnOnce(&mut Protocol<Item>) -> Bells) {
        let mut protocol = self.protocol.lock();
        let rung = step(&mut protocol);
        for (bell, _) in self.bells.iter().zip(rung).filter(|(_, rung)| *rung) {
            // Fails only when the counter is full, and then the bell is ringing.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }
}
