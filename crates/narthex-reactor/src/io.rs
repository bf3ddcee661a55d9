//! Readiness of descriptors: what the poller reported, who waits for it, and non-blocking calls that respect both.
//!
//! Each direction of a descriptor holds one word: a bit for "may be ready", a bit for "has ended", and a count of
//! events. A call is tried while the first bit is set, and only a call that would block clears it, unless an event came
//! in between (the count moved). Whoever finds it cleared leaves a waker *and then looks again*, so an event that comes
//! between the two is not lost.
//!
//! A read that filled only part of its buffer clears the bit too, and saves the read that would say so: what comes later
//! is another event, and an end that came with the data is known from the second bit. (A peer that sends TCP urgent data or
//! passes descriptors over a UNIX socket cuts reads short by that, and may wait for its own next write.)
//!
//! It is not a queue of waiters: the last task that waits in a direction is the one that is woken.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustix::io::Errno;
use slab::Slab;

use crate::poller::Event;
use crate::shared::Shared;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

const READY: u64 = 1;
const ENDED: u64 = 2;
const EVENT: u64 = 4;

/// Calls that one direction grants without a pause. A peer that sends as fast as its task reads, or connects as fast as it
/// accepts, would otherwise keep that task running and every other waiting; no budget can stop a task in the middle.
const STREAK: u32 = 32;

/// The registered descriptors, found by the key that the poller reports.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    slots: Slab<(u32, Arc<Source>)>,
    generation: u32,
}

/// A key holds a slot's index in its lower half and the generation of what lies there in its upper: an event of a
/// descriptor closed since finds another generation.
fn key(index: usize, generation: u32) -> u64 {
    index as u64 | u64::from(generation) << 32
}

/// The slot and the generation that a key is made of.
fn parts(key: u64) -> (usize, u32) {
    (usize::try_from(key & 0xffff_ffff).unwrap_or(usize::MAX), (key >> 32) as u32)
}

impl Sources {
    fn insert(&self, source: Arc<Source>) -> u64 {
        let mut slots = self.0.lock();
        slots.generation = slots.generation.wrapping_add(1) & 0x7fff_ffff;
        let generation = slots.generation;
        key(slots.slots.insert((generation, source)), generation)
    }

    fn remove(&self, key: u64) {
        let source = self.0.lock().slots.try_remove(parts(key).0);
        drop(source);
    }

    /// Marks what the events say and hands over the wakers of those that waited for it.
    pub(crate) fn dispatch(&self, events: impl Iterator<Item = Event>, wakers: &mut Vec<Waker>) -> bool {
        let mut timer = false;
        let slots = self.0.lock();
        for event in events {
            let Event::Io { key, readable, writable, ended } = event else {
                timer = true;
                continue;
            };
            let (index, generation) = parts(key);
            match slots.slots.get(index) {
                Some((current, source)) if *current == generation => {
                    source.mark(readable, writable, ended, wakers);
                }
                _ => {} // Closed since.
            }
        }
        timer
    }
}

/// The readiness of one descriptor.
#[derive(Debug)]
struct Source {
    read: Direction,
    write: Direction,
    /// The poller was asked to report when it may be written.
    reports_write: AtomicBool,
}

#[derive(Debug)]
struct Direction {
    state: AtomicU64,
    waker: Mutex<Option<Waker>>,
    /// Calls granted since the task last had to wait.
    streak: AtomicU32,
}

impl Source {
    fn mark(&self, readable: bool, writable: bool, ended: bool, wakers: &mut Vec<Waker>) {
        if readable || ended {
            self.read.mark(ended, wakers);
        }
        if writable {
            self.write.mark(false, wakers);
        }
    }
}

impl Direction {
    fn new(ready: bool) -> Self {
        Self { state: AtomicU64::new(u64::from(ready)), waker: Mutex::new(None), streak: AtomicU32::new(0) }
    }

    fn mark(&self, ended: bool, wakers: &mut Vec<Waker>) {
        let bits = if ended { READY | ENDED } else { READY };
        // Only a driver marks, and there is one at a time; others only clear bits, so the update settles at once.
        let next = |state: u64| Some(state.wrapping_add(EVENT) | bits);
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        if let Some(waker) = self.waker.lock().take() {
            wakers.push(waker);
        }
    }

    /// The word if a call may be tried; otherwise the task is woken at the next event.
    fn ready(&self, context: &Context<'_>) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        if state & READY != 0 {
            // Only the task that waits in this direction counts here.
            let streak = self.streak.load(Ordering::Relaxed);
            self.streak.store(streak + 1, Ordering::Relaxed);
            if streak < STREAK {
                return Some(state);
            }
            // Its turn comes again behind the tasks that are runnable now.
            self.streak.store(0, Ordering::Relaxed);
            context.waker().wake_by_ref();
            return None;
        }
        self.streak.store(0, Ordering::Relaxed);
        let mut waker = self.waker.lock();
        let replaced = match &mut *waker {
            Some(current) if current.will_wake(context.waker()) => None,
            slot => slot.replace(context.waker().clone()),
        };
        drop(waker);
        // Dropped outside the mutex: it may be the last hold on a task that owns this very descriptor.
        drop(replaced);
        let state = self.state.load(Ordering::Acquire);
        (state & READY != 0).then_some(state)
    }

    /// A call tried at `seen` would have blocked.
    fn clear(&self, seen: u64) {
        // If this fails an event came in between, which is for the next try.
        let _ = self.state.compare_exchange(seen, seen & !READY, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// A registered non-blocking descriptor.
#[derive(Debug)]
pub(crate) struct Io {
    shared: Arc<Shared>,
    source: Arc<Source>,
    key: u64,
    fd: OwnedFd,
}

impl Io {
    /// Registers `fd`, taken to be readable until a read would block; `connecting` waits for the first report that it
    /// may be written, otherwise that too is taken for granted.
    pub(crate) fn new(shared: &Arc<Shared>, fd: OwnedFd, connecting: bool) -> io::Result<Self> {
        if !shared.is_ours() {
            return Err(io::Error::other(
                "this reactor belongs to the parent process; make one after the fork",
            ));
        }
        let source = Arc::new(Source {
            read: Direction::new(!connecting),
            write: Direction::new(!connecting),
            reports_write: AtomicBool::new(connecting),
        });
        let key = shared.sources.insert(Arc::clone(&source));
        if let Err(error) = shared.poller.register(fd.as_fd(), key, connecting) {
            shared.sources.remove(key);
            return Err(error);
        }
        Ok(Self { shared: Arc::clone(shared), source, key, fd })
    }

    #[cfg(all(test, loom))]
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// Tries `call` while the descriptor may be readable. `drained` says of a result that there was no more to read.
    pub(crate) fn poll_read<T>(
        &self,
        context: &Context<'_>,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
        drained: impl FnOnce(&T) -> bool,
    ) -> Poll<io::Result<T>> {
        let direction = &self.source.read;
        while let Some(seen) = direction.ready(context) {
            match call(self.fd.as_fd()) {
                Err(Errno::AGAIN) => direction.clear(seen),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
                Ok(value) => {
                    if seen & ENDED == 0 && drained(&value) {
                        direction.clear(seen);
                    }
                    return Poll::Ready(Ok(value));
                }
            }
        }
        Poll::Pending
    }

    /// Tries `call` while the descriptor may be writable.
    pub(crate) fn poll_write<T>(
        &self,
        context: &Context<'_>,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Poll<io::Result<T>> {
        let direction = &self.source.write;
        while let Some(seen) = direction.ready(context) {
            match call(self.fd.as_fd()) {
                Err(Errno::AGAIN) => {
                    direction.clear(seen);
                    if !self.source.reports_write.swap(true, Ordering::AcqRel) {
                        self.shared.poller.add_write(self.fd.as_fd(), self.key)?;
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
                Ok(value) => return Poll::Ready(Ok(value)),
            }
        }
        Poll::Pending
    }
}

impl AsFd for Io {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        // In a forked child this would deregister the parent's socket, for the epoll instance is the parent's.
        if self.shared.is_ours() {
            self.shared.sources.remove(self.key);
            if let Err(error) = self.shared.poller.deregister(self.fd.as_fd()) {
                tracing::error!(%error, "bug: a socket could not be deregistered");
            }
        }
    }
}
