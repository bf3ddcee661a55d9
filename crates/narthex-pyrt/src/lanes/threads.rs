//! Long-lived threads of ours, made when they are first needed.
//!
//! A lane stays attached to the interpreter's thread state for its whole life, so `threading.local` values (Django's
//! database connections among them) outlive a call, as they do in a thread pool.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use pyo3::prelude::*;

use super::{Counted, LanesFull};

pub(super) struct Threads {
    most: usize,
    queue: Mutex<Option<Sender<Counted>>>,
    receiver: Receiver<Counted>,
    started: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    pub(super) fn new(most: usize, queue: usize) -> Self {
        let (sender, receiver) = bounded(queue);
        Self { most: most.max(1), queue: Mutex::new(Some(sender)), receiver, started: Mutex::default() }
    }

    pub(super) fn submit(&self, call: Counted) -> Result<(), LanesFull> {
        let busy = call.before;
        let sent = match &*self.queue.lock() {
            Some(queue) => queue.try_send(call),
            None => return Err(LanesFull),
        };
        // What was not sent is dropped here, outside the lock.
        sent.map_err(|_| LanesFull)?;
        let mut threads = self.started.lock();
        if busy >= threads.len() && threads.len() < self.most {
            match self.spawn(threads.len()) {
                Ok(thread) => threads.push(thread),
                // With one lane at least the call is only late.
                Err(error) => tracing::error!("no thread could be started for synchronous calls: {error}"),
            }
        }
        Ok(())
    }

    fn spawn(&self, number: usize) -> std::io::Result<JoinHandle<()>> {
        let receiver = self.receiver.clone();
        let name = format!("narthex-lane-{number}");
        std::thread::Builder::new().name(name.clone()).spawn(move || {
            crate::attach(|py| {
                name_thread(py, &name);
                while let Ok(call) = py.detach(|| receiver.recv()) {
                    call.run(py);
                }
            });
        })
    }

    pub(super) fn close(&self, idle: bool) {
        drop(self.queue.lock().take());
        let threads = std::mem::take(&mut *self.started.lock());
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
