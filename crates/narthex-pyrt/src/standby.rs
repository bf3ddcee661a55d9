//! The standby: a thread that drives the reactor while Python is busy, wherever that is: in a handler, in another callback
//! of the event loop, in an import.
//!
//! It sleeps until the reactor's descriptor is readable, waits one tick, and takes over if the pump has not moved in that
//! time. Accepting, reading, writing, pings and every answer that needs no Python then go on; what needs Python queues in
//! the inbox, whose bell brings the pump back when Python is free. It never attaches to the interpreter, so it cannot
//! deadlock with it. Idle it costs no wake-up, otherwise at most one a tick.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::runtime::Runtime;

/// How long Python may keep the reactor waiting.
const TICK: Duration = Duration::from_millis(5);

pub(crate) struct Standby {
    thread: JoinHandle<()>,
    stopping: Arc<Stopping>,
    runtime: Arc<Runtime>,
}

struct Stopping {
    flag: AtomicBool,
    event: OwnedFd,
}

impl Standby {
    pub(crate) fn start(runtime: Arc<Runtime>) -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let stopping = Arc::new(Stopping { flag: AtomicBool::new(false), event });
        let thread = std::thread::Builder::new().name("narthex-standby".to_owned()).spawn({
            let (runtime, stopping) = (Arc::clone(&runtime), Arc::clone(&stopping));
            move || watch(&runtime, &stopping)
        })?;
        Ok(Self { thread, stopping, runtime })
    }

    /// Ends the thread and waits for it. The caller must be detached from the interpreter.
    pub(crate) fn stop(self) {
        self.stopping.flag.store(true, Ordering::Release);
        let _ = rustix::io::write(&self.stopping.event, &1_u64.to_ne_bytes());
        // If it has the reactor it gives it back to whoever asks.
        drop(self.runtime.reactor.driver());
        if self.thread.join().is_err() {
            tracing::error!("bug: the standby thread panicked");
        }
    }
}

impl Stopping {
    fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }
}

fn watch(runtime: &Runtime, stopping: &Stopping) {
    while !stopping.is_set() {
        if !runtime.pump_is_running() {
            wait(runtime, stopping, None);
        }
        let epoch = runtime.epoch.load(Ordering::Acquire);
        wait_for_stop(stopping, TICK);
        if stopping.is_set() {
            return;
        }
        let moved = runtime.epoch.load(Ordering::Acquire) != epoch;
        if moved || !(runtime.reactor.runnable() > 0 || wait(runtime, stopping, Some(Duration::ZERO))) {
            continue;
        }
        if let Some(mut driver) = runtime.reactor.try_driver() {
            driver.run_until_asked(|| stopping.is_set());
        }
    }
}

/// Waits until the reactor's descriptor is readable, or the standby has to stop; whether the former.
fn wait(runtime: &Runtime, stopping: &Stopping, timeout: Option<Duration>) -> bool {
    let mut descriptors =
        [PollFd::new(&runtime.reactor, PollFlags::IN), PollFd::new(&stopping.event, PollFlags::IN)];
    block(&mut descriptors, timeout);
    !descriptors[0].revents().is_empty()
}

fn wait_for_stop(stopping: &Stopping, timeout: Duration) {
    block(&mut [PollFd::from_borrowed_fd(stopping.event.as_fd(), PollFlags::IN)], Some(timeout));
}

fn block(descriptors: &mut [PollFd<'_>], timeout: Option<Duration>) {
    let timeout = timeout.map(|time| Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) });
    // An interrupted wait is a short one; the caller looks at everything again.
    let _ = poll(descriptors, timeout.as_ref());
}
