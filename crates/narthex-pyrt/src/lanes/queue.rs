//! Calls that wait for a worker, which is a thread of ours or one of an executor's.
//!
//! To hand the interpreter from thread to thread costs several times what a small call does. So a worker that has it runs
//! calls until none waits, and beside the busy ones at most one is on its way: it gets the interpreter when a call blocks
//! without it, and then takes what waits.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::{Counted, LanesFull};

#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    calls: VecDeque<Counted>,
    /// A worker was called and has not come yet.
    called: bool,
    closed: bool,
}

/// Whether a worker has to be called.
#[must_use = "a call that no worker comes for waits for ever"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Worker,
    Nobody,
}

impl State {
    fn need(&mut self) -> Need {
        if self.calls.is_empty() || self.called {
            return Need::Nobody;
        }
        self.called = true;
        Need::Worker
    }
}

impl Queue {
    /// Adds a call.
    pub(super) fn push(&self, call: Counted) -> Result<Need, LanesFull> {
        let mut state = self.0.lock();
        if state.closed {
            // The call is dropped outside the lock, as the parameter that it is.
            drop(state);
            return Err(LanesFull);
        }
        state.calls.push_back(call);
        Ok(state.need())
    }

    /// A worker that was called has come. It takes calls until there are none.
    pub(super) fn come(&self) {
        self.0.lock().called = false;
    }

    /// The next call.
    pub(super) fn take(&self) -> Option<(Counted, Need)> {
        let mut state = self.0.lock();
        let call = state.calls.pop_front()?;
        let need = state.need();
        Some((call, need))
    }

    /// A worker leaves before it has found the queue empty.
    pub(super) fn leave(&self) -> Need {
        self.0.lock().need()
    }

    /// The worker that was called does not come, and no other will: drops all calls.
    pub(super) fn give_up(&self) {
        let mut state = self.0.lock();
        state.called = false;
        let calls = std::mem::take(&mut state.calls);
        drop(state);
        drop(calls);
    }

    /// Takes no more calls; those that wait are taken still.
    pub(super) fn close(&self) {
        self.0.lock().closed = true;
    }
}
