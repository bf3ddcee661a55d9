//! Long-lived threads of ours, made when they are first needed.
//!
//! A lane stays attached to the interpreter's thread state for its whole life, so `threading.local` values (Django's
//! database connections among them) outlive a call, as they do in a thread pool.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;

use super::queue::{Need, Queue};

pub(super) struct Threads {
    most: usize,
    queue: Arc<Queue>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    started: Vec<JoinHandle<()>>,
    /// How many of them sleep.
    idle: usize,
    /// How many of them are to come: one that is busy comes after its call.
    called: usize,
    closed: bool,
}

impl Threads {
    pub(super) fn new(most: usize, queue: &Arc<Queue>) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            queue: Arc::clone(queue),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Has a thread come: one that sleeps, a new one, or the first that is no longer busy.
    pub(super) fn call(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.called += 1;
        if state.idle >= state.called {
            drop(state);
            self.changed.notify_one();
            return;
        }
        let number = state.started.len();
        if number == self.most {
            return;
        }
        match self.spawn(number) {
            Ok(thread) => state.started.push(thread),
            Err(error) => {
                tracing::error!("no thread could be started for synchronous calls: {error}");
                // With one lane at least the calls are only late.
                if number == 0 {
                    state.called -= 1;
                    drop(state);
                    self.queue.give_up();
                }
            }
        }
    }

    fn spawn(self: &Arc<Self>, number: usize) -> io::Result<JoinHandle<()>> {
        let lanes = Arc::clone(self);
        let name = format!("narthex-lane-{number}");
        Builder::new().name(name.clone()).spawn(move || {
            crate::attach(|py| {
                name_thread(py, &name);
                while py.detach(|| lanes.wait()) {
                    lanes.work(py);
                }
            });
        })
    }

    /// Sleeps until this thread is called; false if it is to end.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        state.idle += 1;
        while state.called == 0 && !state.closed {
            self.changed.wait(&mut state);
        }
        state.idle -= 1;
        let called = state.called > 0;
        state.called -= usize::from(called);
        called
    }

    fn work(self: &Arc<Self>, py: Python<'_>) {
        self.queue.come();
        while let Some((call, need)) = self.queue.take() {
            if need == Need::Worker {
                self.call();
            }
            call.run(py);
        }
    }

    /// Ends the threads, each once it is idle; waits for them if they are.
    pub(super) fn close(&self, idle: bool) {
        let mut state = self.state.lock();
        state.closed = true;
        let threads = std::mem::take(&mut state.started);
        drop(state);
        self.changed.notify_all();
        if idle {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("bug: a lane panicked");
                }
            }
        }
    }
}

/// Gives the thread its name in Python's log lines too, where it would be a `Dummy-1`.
fn name_thread(py: Python<'_>, name: &str) {
    let named = py
        .import("threading")
        .and_then(|threading| threading.call_method0("current_thread")?.setattr("name", name));
    if let Err(error) = named {
        tracing::debug!("a lane has no name in Python: {error}");
    }
}
