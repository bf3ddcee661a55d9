//! Those that wait for one thing, such as the next piece of a body: one coroutine as a rule, or one lane, but nothing keeps an
//! application from using several.

use std::sync::Arc;
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::awaitable::Waiter;

/// Waiting coroutines and lanes. All of them are woken together, look again, and come back if there is nothing for them.
#[derive(Debug, Default)]
pub struct Waiting {
    coroutines: SmallVec<[Arc<Waiter>; 1]>,
    lanes: Vec<Waker>,
}

impl Waiting {
    /// Adds one that is about to wait. Those that were cancelled are forgotten, so that an application which receives with a
    /// timeout again and again does not make the list grow.
    pub fn add(&mut self, waiter: &Arc<Waiter>) {
        self.coroutines.retain(|other| other.is_parked() && !Arc::ptr_eq(other, waiter));
        self.coroutines.push(Arc::clone(waiter));
    }

    /// Adds the waker of [`block_until`](crate::block_until).
    pub fn add_lane(&mut self, waker: &Waker) {
        if !self.lanes.iter().any(|other| other.will_wake(waker)) {
            self.lanes.push(waker.clone());
        }
    }

    /// All of them, to be woken.
    #[must_use = "to be woken once the lock is released"]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Has all of them look again.
    pub fn wake(self) {
        self.coroutines.iter().for_each(Waiter::wake);
        self.lanes.into_iter().for_each(Waker::wake);
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

    /// Whether a coroutine waits, and has not been cancelled.
    pub fn has_coroutines(&self) -> bool {
        self.0.lock().coroutines.iter().any(|waiter| waiter.is_parked())
    }

    /// Adds a lane that is about to wait; see [`Waiting::add_lane`].
    pub fn add_lane(&self, waker: &Waker) {
        self.0.lock().add_lane(waker);
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
