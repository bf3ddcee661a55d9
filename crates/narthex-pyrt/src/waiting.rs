//! The coroutines that wait for one thing, such as the next piece of a body: one as a rule, but nothing keeps an application
//! from using several tasks.

use std::sync::Arc;
use std::task::Wake;

use parking_lot::Mutex;

use crate::awaitable::Waiter;

/// Waiting coroutines. All of them are woken together, look again, and come back if there is nothing for them.
#[derive(Debug, Default)]
pub struct Waiting(Vec<Arc<Waiter>>);

impl Waiting {
    /// Adds one that is about to wait. Those that were cancelled are forgotten, so that an application which receives with a
    /// timeout again and again does not make the list grow.
    pub fn add(&mut self, waiter: &Arc<Waiter>) {
        self.0.retain(|other| other.is_parked() && !Arc::ptr_eq(other, waiter));
        self.0.push(Arc::clone(waiter));
    }

    /// All of them, to be woken.
    #[must_use = "to be woken once the lock is released"]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Has all of them look again.
    pub fn wake(self) {
        self.0.iter().for_each(Waiter::wake);
    }
}

/// Those that wait for a request's body, as its waker: a body knows one only, and which of them takes what arrives is not
/// known before.
#[derive(Debug, Default)]
pub struct Receivers(Mutex<Waiting>);

impl Receivers {
    /// Adds one that is about to wait; see [`Waiting::add`].
    pub fn add(&self, waiter: &Arc<Waiter>) {
        self.0.lock().add(waiter);
    }
}

impl Wake for Receivers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = self.0.lock().take();
        waiting.wake();
    }
}
