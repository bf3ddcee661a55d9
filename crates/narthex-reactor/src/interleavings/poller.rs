//! The poller's place is taken by a condition variable, so that loom sees who sleeps and who is woken. What it keeps of
//! the kernel: a notification and a reported event make the descriptor readable until a wait takes them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use loom::sync::{Condvar, Mutex, MutexGuard};

#[derive(Debug, Default)]
pub(crate) struct Poller {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    notified: bool,
    reported: Vec<Event>,
    /// The test is over: nobody sleeps on the descriptor any more.
    over: bool,
}

#[derive(Debug)]
pub(crate) struct Events(Vec<Event>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    #[expect(dead_code, reason = "loom knows no time")]
    Timer,
    Io {
        key: u64,
        readable: bool,
        writable: bool,
        ended: bool,
    },
}

impl State {
    fn readable(&self) -> bool {
        self.notified || !self.reported.is_empty()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as those of the poller are")]
impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    pub(crate) fn register(&self, _: BorrowedFd<'_>, _: u64, _: bool) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn add_write(&self, _: BorrowedFd<'_>, _: u64) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn deregister(&self, _: BorrowedFd<'_>) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn arm(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn wait(&self, events: &mut Events, block: bool) -> io::Result<()> {
        let mut state = self.lock();
        while block && !state.readable() {
            state = self.changed.wait(state).expect("a test that panics is over");
        }
        state.notified = false;
        events.0 = std::mem::take(&mut state.reported);
        Ok(())
    }

    pub(crate) fn notify(&self) {
        self.change(|state| state.notified = true);
    }

    /// What the kernel does when something happened to a descriptor.
    pub(super) fn report(&self, key: u64) {
        let event = Event::Io { key, readable: true, writable: false, ended: false };
        self.change(|state| state.reported.push(event));
    }

    /// What an outer loop does: sleeps until the descriptor is readable; false when the test is over.
    pub(super) fn sleep(&self) -> bool {
        let mut state = self.lock();
        while !state.readable() && !state.over {
            state = self.changed.wait(state).expect("a test that panics is over");
        }
        !state.over
    }

    /// Ends the sleep of every outer loop.
    pub(super) fn end(&self) {
        self.change(|state| state.over = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a test that panics is over")
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("no test of loom's asks for the descriptor")
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> {
        self.0.iter().copied()
    }
}
