//! The one place that knows how the kernel reports readiness: epoll, an eventfd for wakes, a timerfd for the timers.
//!
//! The rest of the crate registers a socket once, edge-triggered, and asks for events; it never re-arms anything on the
//! way of a request. Write interest is added the first time a write would block: a socket that never fills its buffer
//! then causes no event for being writable (a UNIX socket would at each read of its peer). The eventfd and the timerfd
//! are edge-triggered too, so neither is ever read: a write or an expiry is one event, and a wait that reported it has
//! made the descriptor silent again.
//!
//! A [`Poller::wait`] is one system call. The crate `polling` was tried first and takes five (it sets a timerfd and reads
//! and re-arms an eventfd around each `epoll_wait`), and cannot ask for `EPOLLRDHUP`, without which an end of file may
//! hide behind a short read, so each request costs a read more.
//!
//! It is not an abstraction over systems: another system gets another file with these functions.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};

/// Keys that no registered descriptor has: those are below [`WAKE_KEY`].
const TIMER_KEY: u64 = u64::MAX;
const WAKE_KEY: u64 = u64::MAX - 1;

/// Events taken by one wait. What is left stays for the next, and keeps the descriptor readable.
const EVENTS: usize = 256;

/// The epoll instance, what wakes it from other threads, and its timer.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    wake: OwnedFd,
    timer: OwnedFd,
}

/// A buffer for what a wait reports.
#[derive(Debug)]
pub(crate) struct Events(Vec<Event>);

/// What happened to one source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The timer set with [`Poller::arm`] ran out.
    Timer,
    /// A registered descriptor changed.
    Io {
        /// The key it was registered with.
        key: u64,
        /// A read may succeed.
        readable: bool,
        /// A write may succeed.
        writable: bool,
        /// Nothing will follow what can be read now.
        ended: bool,
    },
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let timer = timer()?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE_KEY), EventFlags::IN | EventFlags::ET)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER_KEY), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, wake, timer })
    }

    /// Reports edges of `fd` under `key` until [`deregister`](Self::deregister), which has to come before it is closed.
    pub(crate) fn register(&self, fd: BorrowedFd<'_>, key: u64, write: bool) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(key), interest(write))?)
    }

    /// Reports from now on when `fd` may be written, at once if it may be already.
    pub(crate) fn add_write(&self, fd: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(key), interest(true))?)
    }

    /// Reports no more of `fd`.
    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Sets the timer to run out once, `after` from now.
    pub(crate) fn arm(&self, after: Duration) -> io::Result<()> {
        if cfg!(miri) {
            return Ok(());
        }
        // Zero would disarm it, and a year is for ever: whoever waits looks at the clock again when woken.
        let after = after.clamp(Duration::from_nanos(1), Duration::from_hours(365 * 24));
        let it_value = Timespec::try_from(after).map_err(|_| Errno::INVAL)?;
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let flags = TimerfdTimerFlags::empty();
        rustix::time::timerfd_settime(&self.timer, flags, &Itimerspec { it_interval, it_value })?;
        Ok(())
    }

    /// Takes what happened since the last wait, and if `block`, sleeps until there is something.
    ///
    /// It ends a pending [`notify`](Self::notify). Only the thread that drives may call it.
    pub(crate) fn wait(&self, events: &mut Events, block: bool) -> io::Result<()> {
        events.0.clear();
        let timeout = if block { None } else { Some(&Timespec { tv_sec: 0, tv_nsec: 0 }) };
        // On the stack, not kept: the kernel's events hold pointers, so they could not change threads with the buffer.
        let mut buffer = [const { MaybeUninit::uninit() }; EVENTS];
        match epoll::wait(&self.epoll, &mut buffer, timeout) {
            Ok((reported, _)) => events.0.extend(reported.iter().filter_map(event)),
            // A signal, for the outer loop to see; the caller looks around and waits again.
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Makes the descriptor readable until the next wait, or ends the current one.
    pub(crate) fn notify(&self) {
        // Nobody reads the count, so it would overflow after five centuries of a notification each nanosecond.
        if let Err(error) = rustix::io::write(&self.wake, &1_u64.to_ne_bytes()) {
            tracing::error!(%error, "bug: the reactor's poller could not be notified");
        }
    }
}

fn timer() -> Result<OwnedFd, Errno> {
    if cfg!(miri) {
        // Miri knows no timerfd: under it timers never run out.
        return eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    }
    rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
}

/// An end of the peer's data is always asked for: an event of its own, told apart from data.
fn interest(write: bool) -> EventFlags {
    let read = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
    if write { read | EventFlags::OUT } else { read }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> {
        self.0.iter().copied()
    }
}

/// What an event of the kernel says; nothing if it was a notification, which has done its work by being seen.
fn event(event: &epoll::Event) -> Option<Event> {
    let flags = event.flags;
    let broken = flags.intersects(EventFlags::HUP | EventFlags::ERR);
    let ended = broken || flags.contains(EventFlags::RDHUP);
    match event.data.u64() {
        WAKE_KEY => None,
        TIMER_KEY => Some(Event::Timer),
        key => Some(Event::Io {
            key,
            readable: ended || flags.contains(EventFlags::IN),
            writable: broken || flags.contains(EventFlags::OUT),
            ended,
        }),
    }
}
