//! Thousands of random interleavings: any wake that is lost stalls a thread that waits for its answer, and fails.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use narthex_reactor::{Budget, Reactor, Turn};

use crate::outer::{Outer, STALL};

/// xorshift64: the same numbers for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1)) // Zero would stay zero.
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[derive(Default)]
struct Mailbox(Mutex<(VecDeque<mpsc::Sender<()>>, Option<Waker>)>);

impl Mailbox {
    fn post(&self, answer: mpsc::Sender<()>) {
        let waker = {
            let mut inner = self.0.lock().unwrap();
            inner.0.push_back(answer);
            inner.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn serve(self: Arc<Self>) {
        loop {
            let answer = poll_fn(|context| {
                let mut inner = self.0.lock().unwrap();
                if let Some(answer) = inner.0.pop_front() {
                    return Poll::Ready(answer);
                }
                inner.1 = Some(context.waker().clone());
                Poll::Pending
            })
            .await;
            let _ = answer.send(());
        }
    }
}

/// Clients that ask a task and wait for its answer, by mailbox and by new tasks and timers.
fn clients(reactor: &Reactor) -> Vec<thread::JoinHandle<()>> {
    (1..=3)
        .map(|seed| {
            let reactor = reactor.clone();
            thread::spawn(move || {
                let mailbox = Arc::new(Mailbox::default());
                let task = reactor.spawn(Arc::clone(&mailbox).serve());
                let mut random = Random(0x9e37_79b9_7f4a_7c15 >> seed);
                for round in 0..4000 {
                    let (answer, answered) = mpsc::channel();
                    match random.below(8) {
                        0 => reactor.spawn(async move { answer.send(()).unwrap() }).detach(),
                        1 => {
                            let sleep = reactor.sleep(Duration::from_micros(random.below(200)));
                            let timed = async move {
                                sleep.await;
                                answer.send(()).unwrap();
                            };
                            reactor.spawn(timed).detach();
                        }
                        _ => mailbox.post(answer),
                    }
                    answered.recv_timeout(STALL).unwrap_or_else(|_| panic!("stalled in round {round}"));
                    for _ in 0..random.below(200) {
                        std::hint::spin_loop();
                    }
                }
                drop(task);
            })
        })
        .collect()
}

/// What the pump does in its turns: budgets of all sizes, Python in between that wakes tasks, or nothing.
pub(crate) fn pump(outer: &Outer, random: &mut Random) {
    let budget =
        Budget { tasks: usize::try_from(random.below(4)).unwrap() + 1, time: Duration::from_millis(1) };
    match random.below(4) {
        0 => drop(outer.reactor.driver().turn(budget)),
        1 => {
            let attending = outer.reactor.attend();
            let turn = outer.reactor.driver().turn(budget);
            for _ in 0..random.below(2000) {
                std::hint::spin_loop();
            }
            if turn == Turn::Spent || random.below(2) == 0 {
                outer.reactor.driver().flush(budget);
            }
            drop(attending);
        }
        2 => {
            let mut driver = outer.reactor.driver();
            while driver.turn(budget) == Turn::Spent {}
        }
        _ => drop(outer.reactor.driver()),
    }
}

/// A thread that drives when the descriptor is readable and nobody else does, until asked.
pub(crate) fn standby(reactor: &Reactor, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let watch = Outer { reactor: reactor.clone(), budget: Budget::default() };
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            if watch.wait(Duration::from_millis(20))
                && let Some(mut driver) = watch.reactor.try_driver()
            {
                driver.run_until_asked(|| stop.load(Ordering::SeqCst));
            }
        }
    })
}

#[test]
fn no_wake_is_lost_with_one_thread_that_drives() {
    let outer = Outer::new();
    let clients = clients(&outer.reactor);
    let mut random = Random(42);
    while !clients.iter().all(thread::JoinHandle::is_finished) {
        // Nobody else turns: the clients stall, and say so, if this sleeps while something is runnable. The short
        // timeout is for the end only; it turns nothing.
        if outer.wait(Duration::from_millis(20)) {
            pump(&outer, &mut random);
        }
    }
    for client in clients {
        client.join().unwrap();
    }
    outer.settle();
}

#[test]
fn no_wake_is_lost_with_a_standby() {
    let outer = Outer::new();
    let stop = Arc::new(AtomicBool::new(false));
    let standby = standby(&outer.reactor, &stop);
    let clients = clients(&outer.reactor);
    let mut random = Random(4711);
    while !clients.iter().all(thread::JoinHandle::is_finished) {
        if outer.wait(Duration::from_millis(20)) || random.below(8) == 0 {
            pump(&outer, &mut random);
        }
    }
    for client in clients {
        client.join().unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    outer.reactor.interrupt();
    standby.join().unwrap();
    outer.settle();
}
