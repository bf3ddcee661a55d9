//! Timers: a queue of deadlines, and one timerfd armed to the earliest.
//!
//! Server timeouts are made and dropped by the thousand and hardly ever run out, so what is cheap is making, resetting
//! and dropping: a [`Sleep`] that was never polled is in no queue, one that is put off stays where it is until its old
//! deadline passes, and dropping one costs no system call. The timerfd is set only when a deadline comes before all others.
//!
//! They are not for anything finer than the kernel's scheduling, and never early.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::poller::Poller;
use crate::shared::Shared;

/// What a wait longer than the clock can tell becomes.
const FOR_EVER: Duration = Duration::from_hours(30 * 365 * 24);

/// A place in the queue: its deadline, and a number that tells it from others of the same deadline.
type Entry = (Instant, u64);

/// The deadlines that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Entry, Waker>,
    number: u64,
    /// When the timerfd runs out; none while it is not armed.
    armed: Option<Instant>,
}

impl Timers {
    /// Wakes `waker` at `deadline`, or earlier: at that of the `entry` which it has already.
    fn wait(&self, poller: &Poller, entry: Option<Entry>, deadline: Instant, waker: &Waker) -> Entry {
        let mut queue = self.0.lock();
        let mut replaced = None;
        let entry = match entry.filter(|entry| entry.0 <= deadline) {
            Some(entry) if queue.refresh(&entry, waker, &mut replaced) => entry,
            _ => {
                replaced = entry.and_then(|entry| queue.waiting.remove(&entry));
                queue.insert(poller, deadline, waker.clone())
            }
        };
        drop(queue);
        // Dropped only here: the last waker of a task drops its future, which may hold a Sleep.
        drop(replaced);
        entry
    }

    /// Moves `entry` to an earlier deadline, if it still waits.
    fn advance(&self, poller: &Poller, entry: Entry, deadline: Instant) -> Option<Entry> {
        let mut queue = self.0.lock();
        let waker = queue.waiting.remove(&entry)?;
        Some(queue.insert(poller, deadline, waker))
    }

    fn cancel(&self, entry: Entry) {
        let waker = self.0.lock().waiting.remove(&entry);
        drop(waker);
    }

    /// The timerfd ran out: hands over the wakers that are due, and arms it for the next.
    pub(crate) fn fire(&self, poller: &Poller, wakers: &mut Vec<Waker>) {
        let now = Instant::now();
        let mut queue = self.0.lock();
        queue.armed = None;
        while let Some(first) = queue.waiting.first_entry() {
            if first.key().0 > now {
                let next = first.key().0;
                queue.arm(poller, next);
                return;
            }
            wakers.push(first.remove());
        }
    }
}

impl Queue {
    /// Has the waiting `entry` wake `waker`; false if it does not wait any more.
    fn refresh(&mut self, entry: &Entry, waker: &Waker, replaced: &mut Option<Waker>) -> bool {
        let Some(current) = self.waiting.get_mut(entry) else { return false };
        if !current.will_wake(waker) {
            *replaced = Some(std::mem::replace(current, waker.clone()));
        }
        true
    }

    fn insert(&mut self, poller: &Poller, deadline: Instant, waker: Waker) -> Entry {
        self.number += 1;
        let entry = (deadline, self.number);
        self.waiting.insert(entry, waker);
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.arm(poller, deadline);
        }
        entry
    }

    /// Sets the timerfd, under the mutex so that two threads cannot set it in the wrong order.
    fn arm(&mut self, poller: &Poller, deadline: Instant) {
        match poller.arm(deadline.saturating_duration_since(Instant::now())) {
            Ok(()) => self.armed = Some(deadline),
            Err(error) => {
                tracing::error!(%error, "bug: the reactor's timer could not be set; timeouts are late");
            }
        }
    }
}

/// A future that is ready at an instant; made by [`Reactor::sleep`](crate::Reactor::sleep).
///
/// # Cancel safety
///
/// It may be dropped at any time, and polled again after a [`reset`](Self::reset).
pub struct Sleep {
    shared: Arc<Shared>,
    deadline: Instant,
    entry: Option<Entry>,
}

impl Sleep {
    pub(crate) fn after(shared: &Arc<Shared>, duration: Duration) -> Self {
        let now = Instant::now();
        let deadline = now.checked_add(duration).unwrap_or_else(|| now + FOR_EVER);
        Self::until(shared, deadline)
    }

    pub(crate) fn until(shared: &Arc<Shared>, deadline: Instant) -> Self {
        Self { shared: Arc::clone(shared), deadline, entry: None }
    }

    /// When it is ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Changes when it is ready. Whoever polled it last is woken for the new deadline; a later one costs nothing but,
    /// at the old deadline, a wake that finds it not ready.
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if let Some(entry) = self.entry
            && deadline < entry.0
            && self.shared.is_ours()
        {
            self.entry = self.shared.timers.advance(&self.shared.poller, entry, deadline);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if !this.shared.is_ours() {
            return Poll::Pending;
        }
        if Instant::now() >= this.deadline {
            if let Some(entry) = this.entry.take() {
                this.shared.timers.cancel(entry);
            }
            return Poll::Ready(());
        }
        let shared = &this.shared;
        this.entry =
            Some(shared.timers.wait(&shared.poller, this.entry.take(), this.deadline, context.waker()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(entry) = self.entry
            && self.shared.is_ours()
        {
            self.shared.timers.cancel(entry);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
