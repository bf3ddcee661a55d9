//! Sockets, timers and tasks behind one descriptor that any event loop can watch.
//!
//! A [`Reactor`] owns an epoll instance that holds every socket and timer of ours, and an executor for the tasks
//! that wait for them. It has no thread. Whoever owns a thread gives it turns: an asyncio loop that watches the
//! reactor's descriptor with `add_reader`, or a standby thread while that loop is busy. The descriptor is readable
//! if and only if somebody has to turn the reactor, so the outer loop may sleep on it for as long as it likes.
//!
//! ```
//! use narthex_reactor::{Budget, Reactor, Turn};
//!
//! let reactor = Reactor::new()?;
//! let task = reactor.spawn(async { 6 * 7 });
//! let turn = reactor.driver().turn(Budget::default());
//! assert_eq!(turn, Turn::Idle);
//! assert!(task.is_finished());
//! # std::io::Result::Ok(())
//! ```
//!
//! # The rules
//!
//! 1. A task that has been woken and not polled yet is counted ([`Reactor::runnable`]). A turn is over only when that
//!    count is zero after a look at the poller that woke nothing, or when its budget is used.
//! 2. While work is left and nobody drives, the descriptor is readable; it is made so by whoever leaves the work
//!    behind: the waker, the [`Driver`] that ran out of budget, the [`Attend`] guard that ends.
//! 3. One thread drives at a time and every task is `Send`, so a second thread may take over between two tasks.
//!
//! This is not a general runtime: no work stealing, no blocking pool, no file IO, no signals, and one waiting task for
//! each direction of a socket. Nothing here knows of Python.

#[cfg(not(target_os = "linux"))]
compile_error!("narthex-reactor runs on Linux only so far: its poller and its timer are epoll and timerfd");

mod executor;
mod fork;
mod hyper_rt;
#[cfg(all(test, loom))]
mod interleavings;
mod io;
pub mod net;
mod panics;
#[cfg(not(all(test, loom)))]
mod poller;
mod protocol;
mod reactor;
mod shared;
mod sync;
mod timer;
mod tokio_io;
mod wheel;

#[cfg(all(test, loom))]
use interleavings::poller;

pub use async_task::Task;
pub use hyper_rt::{ReactorExecutor, ReactorTimer};
pub use reactor::{Attend, Budget, Driver, Reactor, Turn};
pub use timer::Sleep;
