//! The wake-up protocol: who looks at the queue before sleeping, and when a wake has to make the descriptor readable.
//!
//! A wake notifies the poller if the driver is parked in a blocking wait, or if nobody drives and nobody attends; but
//! not while an earlier notification is still to be seen. In every other case there is a thread that looks at the queue
//! before it sleeps: a driver comes here to leave or to park, and finds what was pushed before.
//!
//! Each method is one step, taken under the executor's mutex; what it says to do (notify, block) is done after it. Nothing
//! here locks, blocks, or knows what it queues.
//!
//! It is checked twice. The tests here walk through every order in which such steps can meet, without a bound on
//! preemptions, but with the threads and what is around them as a model, and as if memory had one order. The tests in
//! `interleavings` run the real driver, executor and sockets under loom, which knows the weaker orders of memory too,
//! but fewer threads and preemptions.

use std::collections::VecDeque;

/// The queue, and what decides who looks at it next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Protocol<R> {
    queue: VecDeque<R>,
    drive: Drive,
    /// The poller was notified and no wait has ended since.
    notified: bool,
    /// A driver that wants to park has to look around first.
    interrupted: bool,
    /// How many threads promised to turn before they sleep.
    attended: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Drive {
    /// No thread has the right to drive.
    Nobody,
    /// One has it and looks at the queue again before it leaves or parks.
    Running,
    /// One has it and is in, or just before, a wait that blocks.
    Parked,
}

/// Whether the caller has to notify the poller, once it has let go of the mutex.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notify(pub(crate) bool);

impl<R> Default for Protocol<R> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            drive: Drive::Nobody,
            notified: false,
            interrupted: false,
            attended: 0,
        }
    }
}

impl<R> Protocol<R> {
    /// Queues what was woken.
    pub(crate) fn push(&mut self, runnable: R) -> Notify {
        self.queue.push_back(runnable);
        self.pushed()
    }

    /// How much is queued.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Moves the whole queue into the empty `batch`.
    pub(crate) fn take(&mut self, batch: &mut VecDeque<R>) {
        std::mem::swap(&mut self.queue, batch);
    }

    /// Puts what is left of a batch back to the head of the queue.
    pub(crate) fn put_back(&mut self, batch: &mut VecDeque<R>) {
        batch.append(&mut self.queue);
        std::mem::swap(&mut self.queue, batch);
    }

    /// Takes the head of the queue.
    pub(crate) fn pop(&mut self) -> Option<R> {
        self.queue.pop_front()
    }

    /// A thread has the right to drive.
    pub(crate) fn begin(&mut self) {
        self.drive = Drive::Running;
    }

    /// The thread that drove stops doing so; `successor` says that another one waits to go on.
    pub(crate) fn end(&mut self, successor: bool) -> Notify {
        self.drive = Drive::Nobody;
        if successor { Notify(false) } else { self.left() }
    }

    /// A wait begins: it may block unless something is queued or an interrupt was asked for.
    pub(crate) fn park(&mut self) -> bool {
        let interrupted = std::mem::take(&mut self.interrupted);
        let park = !interrupted && self.queue.is_empty();
        if park {
            self.drive = Drive::Parked;
        }
        park
    }

    /// A wait is over, and with it a notification.
    pub(crate) fn waited(&mut self) {
        self.drive = Drive::Running;
        self.notified = false;
    }

    /// Makes a driver that is parked, or about to be, look around.
    pub(crate) fn interrupt(&mut self) -> Notify {
        self.interrupted = true;
        if self.drive == Drive::Parked { self.notify() } else { Notify(false) }
    }

    /// A thread promises to turn before it sleeps.
    pub(crate) fn attend(&mut self) {
        self.attended += 1;
    }

    /// That promise ends.
    pub(crate) fn neglect(&mut self) -> Notify {
        self.attended -= 1;
        if self.drive == Drive::Nobody { self.left() } else { Notify(false) }
    }

    /// Decides for one who leaves, with whatever is in the queue.
    fn left(&mut self) -> Notify {
        if self.queue.is_empty() { Notify(false) } else { self.pushed() }
    }

    /// Decides for something that is in the queue now.
    fn pushed(&mut self) -> Notify {
        let asleep = match self.drive {
            Drive::Nobody => self.attended == 0,
            Drive::Running => false,
            Drive::Parked => true,
        };
        if asleep { self.notify() } else { Notify(false) }
    }

    fn notify(&mut self) -> Notify {
        Notify(!std::mem::replace(&mut self.notified, true))
    }
}

#[cfg(test)]
mod tests;
