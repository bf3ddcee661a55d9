//! The reactor itself under loom: its mutexes and atomics are loom's, which runs each test in every order of their steps
//! (with as many preemptions as `LOOM_MAX_PREEMPTIONS` says) and in every order of memory that the language allows.
//!
//! An order in which a wake is lost ends with all threads asleep, which loom reports as a deadlock.

pub(crate) mod poller;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use rustix::io::Errno;

use crate::io::Io;
use crate::{Budget, Reactor, Turn};

const ONE: Budget = Budget { tasks: 1, time: std::time::Duration::MAX };
const ALL: Budget = Budget { tasks: usize::MAX, time: std::time::Duration::MAX };

/// Counts down what has to run, and ends the test.
#[derive(Clone)]
struct Expected {
    reactor: Reactor,
    left: Arc<AtomicUsize>,
}

impl Expected {
    fn new(reactor: &Reactor, count: usize) -> Self {
        Self { reactor: reactor.clone(), left: Arc::new(AtomicUsize::new(count)) }
    }

    fn one(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.reactor.shared().poller.end();
        }
    }

    fn met(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

fn sleep(reactor: &Reactor) -> bool {
    reactor.shared().poller.sleep()
}

/// An outer loop: sleeps on the descriptor, turns when it is readable.
fn pump(reactor: &Reactor, budget: Budget) {
    while sleep(reactor) {
        reactor.driver().turn(budget);
    }
}

/// Another thread that makes a task.
fn spawner(expected: &Expected) -> thread::JoinHandle<()> {
    let expected = expected.clone();
    thread::spawn(move || {
        let reactor = expected.reactor.clone();
        reactor.spawn(async move { expected.one() }).detach();
    })
}

fn standby(expected: &Expected) -> thread::JoinHandle<()> {
    let expected = expected.clone();
    thread::spawn(move || {
        // It may stop at any time: then the pump goes on alone.
        for _ in 0..2 {
            if !sleep(&expected.reactor) {
                return;
            }
            if let Some(mut driver) = expected.reactor.try_driver() {
                driver.run_until_asked(|| expected.met());
            }
        }
    })
}

fn check(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.check(test);
}

#[test]
fn a_wake_from_another_thread_reaches_the_pump() {
    check(|| {
        let reactor = Reactor::new().unwrap();
        let expected = Expected::new(&reactor, 2);
        let threads = [spawner(&expected), spawner(&expected)];
        pump(&reactor, ONE);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(expected.met() && reactor.runnable() == 0);
    });
}

#[test]
fn a_wake_is_seen_under_and_after_a_promise() {
    check(|| {
        let reactor = Reactor::new().unwrap();
        let expected = Expected::new(&reactor, 2);
        let threads = [spawner(&expected), spawner(&expected)];
        while sleep(&reactor) {
            let attending = reactor.attend();
            let turn = reactor.driver().turn(ONE);
            if turn == Turn::Idle {
                reactor.driver().flush(ONE);
            }
            drop(attending);
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(expected.met() && reactor.runnable() == 0);
    });
}

#[test]
fn pump_and_standby_take_turns() {
    check(|| {
        let reactor = Reactor::new().unwrap();
        let expected = Expected::new(&reactor, 2);
        let (other, standby) = (spawner(&expected), standby(&expected));
        reactor
            .spawn({
                let expected = expected.clone();
                async move { expected.one() }
            })
            .detach();
        pump(&reactor, ALL);
        reactor.interrupt();
        other.join().unwrap();
        standby.join().unwrap();
        assert!(expected.met() && reactor.runnable() == 0);
    });
}

#[test]
fn whoever_asks_gets_the_right_to_drive() {
    check(|| {
        let reactor = Reactor::new().unwrap();
        let taken = Arc::new(AtomicBool::new(false));
        let parked = thread::spawn({
            let (reactor, taken) = (reactor.clone(), Arc::clone(&taken));
            move || {
                if let Some(mut driver) = reactor.try_driver() {
                    driver.run_until_asked(|| taken.load(Ordering::SeqCst));
                }
            }
        });
        drop(reactor.driver());
        // For the order in which the other thread came only then.
        taken.store(true, Ordering::SeqCst);
        reactor.interrupt();
        parked.join().unwrap();
    });
}

/// A descriptor whose readiness is told by the test.
fn io(reactor: &Reactor) -> Io {
    let fd = std::fs::File::open("/dev/null").unwrap().into();
    Io::new(reactor.shared(), fd, true).unwrap()
}

/// Takes what the test says has arrived.
fn read<'a>(io: &'a Io, arrived: &'a AtomicUsize) -> impl Future<Output = usize> + 'a {
    poll_fn(move |context| {
        let take = |_: std::os::fd::BorrowedFd<'_>| match arrived.swap(0, Ordering::AcqRel) {
            0 => Err(Errno::AGAIN),
            count => Ok(count),
        };
        io.poll_read(context, take, |_| true).map(Result::unwrap)
    })
}

#[test]
fn an_event_reaches_a_reader_on_the_reactor() {
    check(|| {
        let reactor = Reactor::new().unwrap();
        let expected = Expected::new(&reactor, 1);
        let (io, arrived) = (io(&reactor), Arc::new(AtomicUsize::new(0)));
        let key = io.key();
        let (count, done) = (Arc::clone(&arrived), expected.clone());
        reactor
            .spawn(async move {
                let mut left = 2;
                while left > 0 {
                    left -= read(&io, &count).await;
                }
                done.one();
            })
            .detach();
        let kernel = thread::spawn({
            let reactor = reactor.clone();
            move || {
                for _ in 0..2 {
                    arrived.fetch_add(1, Ordering::AcqRel);
                    reactor.shared().poller.report(key);
                }
            }
        });
        pump(&reactor, ALL);
        kernel.join().unwrap();
        assert!(expected.met());
    });
}

/// Wakes a thread that waits.
struct Unpark(Notify);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

#[test]
fn an_event_reaches_a_reader_on_another_thread() {
    check(|| {
        let reactor = Reactor::new().unwrap();
        let (io, arrived) = (io(&reactor), Arc::new(AtomicUsize::new(0)));
        let key = io.key();
        let kernel_and_driver = thread::spawn({
            let (reactor, arrived) = (reactor.clone(), Arc::clone(&arrived));
            move || {
                for _ in 0..2 {
                    arrived.fetch_add(1, Ordering::AcqRel);
                    reactor.shared().poller.report(key);
                    reactor.driver().turn(ALL);
                }
            }
        });
        let unpark = Arc::new(Unpark(Notify::new()));
        let waker = Waker::from(Arc::clone(&unpark));
        let mut left = 2;
        while left > 0 {
            let mut reading = std::pin::pin!(read(&io, &arrived));
            match reading.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
                Poll::Ready(count) => left -= count,
                Poll::Pending => unpark.0.wait(),
            }
        }
        kernel_and_driver.join().unwrap();
    });
}

#[test]
fn nothing_outlives_close() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    check(|| {
        let reactor = Reactor::new().unwrap();
        let dropped = Arc::new(AtomicUsize::new(0));
        let (guard, waker) = (Count(Arc::clone(&dropped)), Arc::new(std::sync::Mutex::new(None)));
        let place = Arc::clone(&waker);
        let waiting = poll_fn(move |context| {
            let _held = &guard;
            *place.lock().unwrap() = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        reactor.spawn(waiting).detach();
        reactor.driver().turn(ALL);
        let waker = waker.lock().unwrap().take().unwrap();
        let waking = thread::spawn(move || waker.wake());
        let spawning = thread::spawn({
            let (reactor, guard) = (reactor.clone(), Count(Arc::clone(&dropped)));
            move || reactor.spawn(async move { drop(guard) }).detach()
        });
        reactor.close();
        assert!(dropped.load(Ordering::SeqCst) >= 1, "what waited is gone");
        assert_eq!(reactor.runnable(), 0);
        waking.join().unwrap();
        spawning.join().unwrap();
        assert_eq!(dropped.load(Ordering::SeqCst), 2);
        assert_eq!(reactor.runnable(), 0);
    });
}
