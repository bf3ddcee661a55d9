//! The one place that knows how the kernel reports readiness: epoll through `polling`, a timerfd for the timers.
//!
//! The rest of the crate registers a socket once, edge-triggered, and asks for events; it never re-arms anything on the
//! way of a request. Write interest is added the first time a write would block: a socket that never fills its buffer
//! then causes no event for being writable (a UNIX socket would at each read of its peer).
//!
//! Cost, read in polling 3.11's source: a [`Poller::wait`] is `timerfd_settime`, `epoll_ctl`, `epoll_wait`, `read` of
//! its eventfd and `epoll_ctl`, also when nothing is ready, and `EPOLLRDHUP` cannot be asked for. Its own timeout is not
//! used: left armed by a wait that ended early, it would make the descriptor readable with nothing to do.
//!
//! It is not an abstraction over systems: another system gets another file with these functions.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use polling::{Event as RawEvent, PollMode};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

/// Whether the end of a peer's data is reported apart from the data. Where it is not, a read that came back short may
/// have an end of file behind it that no further event announces, so only `EAGAIN` says that a socket is drained.
pub(crate) const REPORTS_END: bool = false;

const TIMER_KEY: usize = usize::MAX - 1;

/// The epoll instance, what wakes it from other threads, and its timer.
#[derive(Debug)]
pub(crate) struct Poller {
    poller: polling::Poller,
    timer: OwnedFd,
}

/// A buffer for what a wait reports.
pub(crate) struct Events(polling::Events);

/// What happened to one source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The timer set with [`Poller::arm`] ran out.
    Timer,
    /// A registered descriptor changed.
    Io {
        /// The key it was registered with.
        key: usize,
        /// A read may succeed.
        readable: bool,
        /// A write may succeed.
        writable: bool,
        /// Nothing will follow what can be read now.
        ended: bool,
    },
}

impl Poller {
    #[expect(unsafe_code, reason = "polling asks for a promise about the descriptor's life")]
    pub(crate) fn new() -> io::Result<Self> {
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        let poller = polling::Poller::new()?;
        // SAFETY: the timer is dropped with the poller, after the epoll instance (fields drop in order).
        unsafe { poller.add_with_mode(&timer, RawEvent::readable(TIMER_KEY), PollMode::Edge) }?;
        Ok(Self { poller, timer })
    }

    /// Reports edges of `fd` under `key` until [`deregister`](Self::deregister), which has to come before it is closed.
    #[expect(unsafe_code, reason = "polling asks for a promise about the descriptor's life")]
    pub(crate) fn register(&self, fd: BorrowedFd<'_>, key: usize, write: bool) -> io::Result<()> {
        // SAFETY: `io::Io`, the only caller, owns the descriptor and deregisters it when dropped.
        unsafe { self.poller.add_with_mode(&fd, RawEvent::new(key, true, write), PollMode::Edge) }
    }

    /// Reports from now on when `fd` may be written, at once if it may be already.
    pub(crate) fn add_write(&self, fd: BorrowedFd<'_>, key: usize) -> io::Result<()> {
        self.poller.modify_with_mode(fd, RawEvent::all(key), PollMode::Edge)
    }

    /// Reports no more of `fd`.
    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }

    /// Sets the timer to run out once, `after` from now.
    pub(crate) fn arm(&self, after: Duration) -> io::Result<()> {
        // Zero would disarm it, and a year is for ever: whoever waits looks at the clock again when woken.
        let after = after.clamp(Duration::from_nanos(1), Duration::from_hours(365 * 24));
        let it_value = Timespec::try_from(after).map_err(|_| rustix::io::Errno::INVAL)?;
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::time::timerfd_settime(
            &self.timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval, it_value },
        )?;
        Ok(())
    }

    /// Takes what happened since the last wait, and if `block`, sleeps until there is something.
    ///
    /// It ends a pending [`notify`](Self::notify). Only the thread that drives may call it.
    pub(crate) fn wait(&self, events: &mut Events, block: bool) -> io::Result<()> {
        events.0.clear();
        let timeout = if block { None } else { Some(Duration::ZERO) };
        self.poller.wait(&mut events.0, timeout)?;
        Ok(())
    }

    /// Makes the descriptor readable until the next wait, or ends the current one.
    pub(crate) fn notify(&self) {
        if let Err(error) = self.poller.notify() {
            tracing::error!(%error, "bug: the reactor's poller could not be notified");
        }
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self(polling::Events::new())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> {
        self.0.iter().map(|event| {
            if event.key == TIMER_KEY {
                return Event::Timer;
            }
            let ended = event.is_interrupt() || event.is_err() == Some(true);
            Event::Io { key: event.key, readable: event.readable, writable: event.writable, ended }
        })
    }
}
