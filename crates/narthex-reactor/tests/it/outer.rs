//! The outer loop: `poll(2)` on the reactor's descriptor, and nothing else that could hide a lost wake.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use narthex_reactor::{Budget, Reactor, Task, Turn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// No test waits longer than this for anything: then it is a stall.
pub(crate) const STALL: Duration = Duration::from_secs(10);

pub(crate) struct Outer {
    pub(crate) reactor: Reactor,
    pub(crate) budget: Budget,
}

impl Outer {
    pub(crate) fn new() -> Self {
        Self { reactor: Reactor::new().unwrap(), budget: Budget::default() }
    }

    pub(crate) fn readable(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Sleeps on the descriptor for at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        if cfg!(miri) {
            return self.wait_without_poll(timeout);
        }
        let timeout = Timespec::try_from(timeout).unwrap();
        poll(&mut [PollFd::new(&self.reactor, PollFlags::IN)], Some(&timeout)).unwrap() > 0
    }

    /// Miri has no poll(2), nor an epoll that watches an epoll: there it is not the descriptor that is believed.
    fn wait_without_poll(&self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        while self.reactor.runnable() == 0 && Instant::now() < end {
            std::thread::yield_now();
        }
        self.reactor.runnable() > 0
    }

    pub(crate) fn turn(&self) -> Turn {
        self.reactor.driver().turn(self.budget)
    }

    /// Sleeps and turns until `done`, and fails if the descriptor is silent while something is to be done.
    pub(crate) fn run_until(&self, mut done: impl FnMut() -> bool) {
        let end = Instant::now() + STALL;
        while !done() {
            if self.reactor.runnable() > 0 {
                assert!(self.readable(), "runnable tasks, and a descriptor that is not readable");
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(self.wait(left) && !left.is_zero(), "stalled");
            self.turn();
        }
    }

    /// Sleeps and turns until a thread ends, which the descriptor need not tell.
    pub(crate) fn join<T>(&self, thread: JoinHandle<T>) -> T {
        let end = Instant::now() + STALL;
        while !thread.is_finished() {
            assert!(Instant::now() < end, "stalled");
            if self.wait(Duration::from_millis(5)) {
                self.turn();
            }
        }
        thread.join().unwrap()
    }

    /// Turns until nothing is readable any more.
    pub(crate) fn settle(&self) {
        let end = Instant::now() + STALL;
        while self.readable() {
            assert!(Instant::now() < end, "the descriptor stays readable with nothing to do");
            self.turn();
        }
        assert_eq!(self.reactor.runnable(), 0);
    }

    pub(crate) fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.reactor.spawn(future);
        self.run_until(|| task.is_finished());
        output(task)
    }
}

/// What a finished task returned.
pub(crate) fn output<T>(mut task: Task<T>) -> T {
    match Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the task is not finished"),
    }
}
