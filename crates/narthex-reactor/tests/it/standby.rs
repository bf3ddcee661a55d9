//! Two threads that drive in turn, and wakes that meet a parked driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use narthex_reactor::{Budget, Reactor};

use crate::outer::{Outer, STALL};

/// A thread that drives until asked, again and again.
struct Standby {
    stop: Arc<AtomicBool>,
    reactor: Reactor,
    thread: Option<thread::JoinHandle<usize>>,
}

impl Standby {
    fn start(reactor: &Reactor) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (started, wait) = mpsc::channel();
        let thread = thread::spawn({
            let (reactor, stop) = (reactor.clone(), Arc::clone(&stop));
            move || {
                let mut times = 0;
                let _ = started.send(());
                while !stop.load(Ordering::SeqCst) {
                    if let Some(mut driver) = reactor.try_driver() {
                        driver.run_until_asked(|| stop.load(Ordering::SeqCst));
                        times += 1;
                    }
                    thread::yield_now();
                }
                times
            }
        });
        wait.recv().unwrap();
        Self { stop, reactor: reactor.clone(), thread: Some(thread) }
    }

    fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.reactor.interrupt();
        self.thread.take().expect("it is stopped once").join().unwrap()
    }
}

#[test]
fn a_parked_standby_runs_what_is_spawned_slept_and_woken() {
    let reactor = Reactor::new().unwrap();
    let standby = Standby::start(&reactor);
    let (sender, receiver) = mpsc::channel();
    for number in 0..100 {
        let (sender, sleep) = (sender.clone(), reactor.sleep(Duration::from_micros(number * 50)));
        reactor
            .spawn(async move {
                sleep.await;
                sender.send(number).unwrap();
            })
            .detach();
    }
    for _ in 0..100 {
        receiver.recv_timeout(STALL).expect("the standby runs it");
    }
    // Parked for certain now, one at a time.
    for number in 0..100 {
        let sender = sender.clone();
        reactor.spawn(async move { sender.send(number).unwrap() }).detach();
        assert_eq!(receiver.recv_timeout(STALL).expect("the standby runs it"), number);
    }
    standby.stop();
}

#[test]
fn attending_does_not_hold_a_parked_standby_back() {
    let reactor = Reactor::new().unwrap();
    let standby = Standby::start(&reactor);
    let (sender, receiver) = mpsc::channel();
    let attending = reactor.attend();
    reactor.spawn(async move { sender.send(()).unwrap() }).detach();
    receiver.recv_timeout(STALL).expect("Python is busy, the standby goes on");
    drop(attending);
    standby.stop();
}

#[test]
fn the_right_to_drive_is_given_back_under_load() {
    let outer = Outer::new();
    let reactor = outer.reactor.clone();
    let standby = Standby::start(&reactor);
    let polls = Arc::new(AtomicUsize::new(0));
    // Tasks that are always runnable: the standby never finds a quiet moment.
    let spinning: Vec<_> = (0..8)
        .map(|_| {
            let polls = Arc::clone(&polls);
            reactor.spawn(std::future::poll_fn(move |context| {
                polls.fetch_add(1, Ordering::SeqCst);
                context.waker().wake_by_ref();
                std::task::Poll::<()>::Pending
            }))
        })
        .collect();
    for _ in 0..500 {
        let mut driver = reactor.driver();
        driver.turn(Budget { tasks: 16, time: Duration::MAX });
    }
    drop(spinning);
    assert!(polls.load(Ordering::SeqCst) >= 500 * 16);
    standby.stop();
    outer.settle();
}

#[test]
fn a_sleeping_standby_is_asked_and_leaves() {
    let outer = Outer::new();
    let reactor = outer.reactor.clone();
    let standby = Standby::start(&reactor);
    for _ in 0..200 {
        // Once this ran the standby drives, and sleeps or is about to.
        let (sender, receiver) = mpsc::channel();
        reactor.spawn(async move { sender.send(()).unwrap() }).detach();
        receiver.recv_timeout(STALL).expect("the standby runs it");
        drop(reactor.driver());
    }
    assert!(standby.stop() >= 200);
    outer.settle();
}

#[test]
fn sockets_go_on_while_two_threads_take_turns() {
    let outer = Outer::new();
    let reactor = outer.reactor.clone();
    let (listener, address) = crate::sockets::tcp(&reactor);
    let server = reactor.spawn({
        let reactor = reactor.clone();
        async move {
            loop {
                let stream = listener.accept().await.unwrap();
                reactor
                    .spawn(async move {
                        let mut buffer = [0; 64];
                        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                            stream.write_all(&buffer[..count]).await.unwrap();
                        }
                    })
                    .detach();
            }
        }
    });
    let clients: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                use std::io::{Read, Write};
                let mut client = std::net::TcpStream::connect(address).unwrap();
                client.set_read_timeout(Some(STALL)).unwrap();
                for round in 0..500_u32 {
                    client.write_all(&round.to_le_bytes()).unwrap();
                    let mut answer = [0; 4];
                    client.read_exact(&mut answer).expect("no stall");
                    assert_eq!(answer, round.to_le_bytes());
                }
            })
        })
        .collect();
    let standby = Standby::start(&reactor);
    while clients.iter().any(|client| !client.is_finished()) {
        // The pump: sometimes it sleeps on the descriptor, sometimes it just comes.
        outer.wait(Duration::from_millis(1));
        outer.turn();
    }
    for client in clients {
        client.join().unwrap();
    }
    standby.stop();
    drop(server);
    outer.settle();
}
