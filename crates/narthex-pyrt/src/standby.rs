//! The standby: a thread that drives the reactor while Python is busy, wherever that is: in a handler, in another callback
//! of the event loop, in an import.
//!
//! It sleeps until the reactor's descriptor is readable or the pump needs Python, waits one tick, and takes over if the pump
//! has not moved in that time. Accepting, reading, writing, pings and every answer that needs no Python then go on; what
//! needs Python queues in the inbox, whose bell brings the pump back when Python is free. It never attaches to the
//! interpreter, so it cannot deadlock with it. Idle it costs no wake-up, otherwise at most one a tick.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::runtime::Runtime;

/// How long Python may keep the reactor waiting.
const TICK: Duration = Duration::from_millis(5);

/// What the standby's thread is told through; a part of the runtime.
pub(crate) struct Signals {
    stopping: AtomicBool,
    /// The thread sleeps without a timeout, or is about to.
    asleep: AtomicBool,
    /// Readable: look around.
    event: OwnedFd,
}

impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { stopping: AtomicBool::new(false), asleep: AtomicBool::new(false), event })
    }

    /// The pump is about to wait for the interpreter and to call Python, both of which may take long: from now on the standby
    /// counts ticks.
    ///
    /// Costs a system call only if it sleeps, so at most one a tick.
    pub(crate) fn python_is_needed(&self) {
        // Sequentially consistent, as is the pump's epoch: either this sees the sleeper, or the sleeper sees the pump.
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.raise();
        }
    }

    fn raise(&self) {
        // Fails only when the counter is full, and then it is readable.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    fn clear(&self) {
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// The running thread.
pub(crate) struct Standby {
    thread: JoinHandle<()>,
    runtime: Arc<Runtime>,
}

impl Standby {
    pub(crate) fn start(runtime: Arc<Runtime>) -> std::io::Result<Self> {
        let watched = Arc::clone(&runtime);
        watched.signals.stopping.store(false, Ordering::Release);
        let thread =
            std::thread::Builder::new().name("narthex-standby".to_owned()).spawn(move || watch(&watched))?;
        Ok(Self { thread, runtime })
    }

    /// Ends the thread and waits for it. The caller must be detached from the interpreter.
    pub(crate) fn stop(self) {
        self.runtime.signals.stopping.store(true, Ordering::Release);
        self.runtime.signals.raise();
        // If it drives the reactor, it may sleep there.
        self.runtime.reactor.interrupt();
        if self.thread.join().is_err() {
            tracing::error!("bug: the standby thread panicked");
        }
    }
}

fn watch(runtime: &Runtime) {
    let signals = &runtime.signals;
    while !signals.is_stopping() {
        sleep(runtime);
        let epoch = runtime.epoch.load(Ordering::SeqCst);
        block(&mut [PollFd::from_borrowed_fd(signals.event.as_fd(), PollFlags::IN)], Some(TICK));
        if signals.is_stopping() {
            return;
        }
        if runtime.epoch.load(Ordering::SeqCst) != epoch {
            continue;
        }
        runtime.inbox.neglected();
        if !has_work(runtime) {
            continue;
        }
        if let Some(mut driver) = runtime.reactor.try_driver() {
            // A pump that has started meanwhile believes that somebody looks after it, whom this would be asleep in the reactor. One
            // that starts from here on has to ask for the right to drive.
            if runtime.epoch.load(Ordering::SeqCst) == epoch {
                driver.run_until_asked(|| signals.is_stopping());
            }
        }
    }
}

/// Sleeps until there is something that the pump might neglect.
fn sleep(runtime: &Runtime) {
    let signals = &runtime.signals;
    signals.asleep.store(true, Ordering::SeqCst);
    if !runtime.pump_is_running() && !signals.is_stopping() {
        let mut descriptors =
            [PollFd::new(&runtime.reactor, PollFlags::IN), PollFd::new(&signals.event, PollFlags::IN)];
        block(&mut descriptors, None);
    }
    signals.asleep.store(false, Ordering::SeqCst);
    signals.clear();
}

/// Whether the reactor has anything to do, on its descriptor or in its queue.
fn has_work(runtime: &Runtime) -> bool {
    let mut descriptors = [PollFd::new(&runtime.reactor, PollFlags::IN)];
    runtime.reactor.runnable() > 0 || block(&mut descriptors, Some(Duration::ZERO))
}

/// Whether any of the descriptors is ready.
fn block(descriptors: &mut [PollFd<'_>], timeout: Option<Duration>) -> bool {
    let timeout = timeout.map(|time| Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) });
    // An interrupted wait is a short one; the caller looks at everything again.
    poll(descriptors, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}
