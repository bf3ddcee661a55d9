//! Everything at once for a while: foreign threads that spawn, wake and cancel, timers that are moved, sockets at both
//! ends with data in random pieces, and a pump and a standby that take turns. Every byte is checked, every wait is bounded,
//! and nothing is left behind.
//!
//! `NARTHEX_STRESS_SECONDS` says for how long (two unless told otherwise), `NARTHEX_STRESS_SEED` repeats what the threads
//! do, though not the order in which they meet.

use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use narthex_reactor::net::{Listener, Stream};
use narthex_reactor::{Reactor, Task};

use crate::outer::{Outer, STALL};
use crate::stalls::{Random, pump, standby};

/// What a socket's buffers hold for certain, so that a client may write all of it before it reads.
const QUESTION: u64 = 16 << 10;

/// What all threads share.
#[derive(Clone)]
struct World {
    reactor: Reactor,
    address: SocketAddr,
    end: Instant,
    /// Futures that exist.
    alive: Arc<AtomicUsize>,
    /// Answers that were right.
    answers: Arc<AtomicUsize>,
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl World {
    fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(Arc::clone(&self.alive));
        self.reactor.spawn(async move {
            let _alive = alive;
            future.await
        })
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::SeqCst);
    }
}

fn variable(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value:?}")),
        Err(_) => default,
    }
}

fn size(random: &mut Random, bound: u64) -> usize {
    usize::try_from(random.below(bound)).unwrap() + 1
}

fn bytes(random: &mut Random) -> Vec<u8> {
    let seed = random.below(u64::MAX);
    (0..size(random, QUESTION) as u64).map(|index| (seed ^ (index * 31)).to_le_bytes()[0]).collect()
}

async fn serve(world: World, listener: Listener) {
    for seed in 1.. {
        let stream = listener.accept().await.unwrap();
        world.spawn(echo(world.reactor.clone(), stream, Random::new(seed))).detach();
    }
}

/// Sends back what comes, in pieces of its own, now and then late; until the peer's end, or its death.
async fn echo(reactor: Reactor, stream: Stream, mut random: Random) {
    let mut buffer = vec![0; 4096];
    loop {
        let room = size(&mut random, 4096);
        let Ok(count @ 1..) = stream.read(&mut buffer[..room]).await else { return };
        if random.below(16) == 0 {
            reactor.sleep(Duration::from_micros(random.below(1500))).await;
        }
        for piece in buffer[..count].chunks(size(&mut random, 4096)) {
            if stream.write_all(piece).await.is_err() {
                return;
            }
        }
    }
}

/// A client with a thread of its own.
fn blocking_client(world: &World, mut random: Random) {
    while world.goes_on() {
        let mut client = TcpStream::connect(world.address).unwrap();
        client.set_read_timeout(Some(STALL)).unwrap();
        for _ in 0..random.below(30) {
            let question = bytes(&mut random);
            for piece in question.chunks(size(&mut random, QUESTION)) {
                client.write_all(piece).unwrap();
            }
            if random.below(64) == 0 {
                break; // Gone without a look at the answer.
            }
            let mut answer = vec![0; question.len()];
            client.read_exact(&mut answer).expect("no stall");
            assert!(answer == question, "the answer is not what was asked");
            world.answered();
        }
    }
}

/// A client whose end of the connection is on the same reactor.
async fn client(world: World, mut random: Random) {
    while world.goes_on() {
        let client = Stream::connect_tcp(&world.reactor, world.address).await.unwrap();
        for _ in 0..random.below(30) {
            let question = bytes(&mut random);
            for piece in question.chunks(size(&mut random, QUESTION)) {
                client.write_all(piece).await.unwrap();
            }
            let (mut answer, mut buffer) = (Vec::new(), vec![0; size(&mut random, QUESTION)]);
            while answer.len() < question.len() {
                let count = client.read(&mut buffer).await.unwrap();
                assert!(count > 0, "the connection ended too early");
                answer.extend_from_slice(&buffer[..count]);
            }
            assert!(answer == question, "the answer is not what was asked");
            world.answered();
        }
    }
}

/// A thread that makes tasks, waits for some, and cancels others at any point of their life.
fn foreign(world: &World, mut random: Random) {
    let mut held: Vec<Task<()>> = Vec::new();
    while world.goes_on() {
        let (answer, answered) = mpsc::channel();
        match random.below(4) {
            0 => {
                held.push(world.spawn(pending()));
                world.spawn(async move { answer.send(()).unwrap() }).detach();
            }
            1 => {
                let sleep = world.reactor.sleep(Duration::from_micros(random.below(3000)));
                held.push(world.spawn(sleep));
                let _ = answer.send(());
            }
            2 => {
                let (first, last) = (random.below(3000), random.below(3000));
                world.spawn(moved(world.reactor.clone(), first, last, answer)).detach();
            }
            _ => {
                let inner = world.clone();
                let chain = async move {
                    inner.spawn(async {}).await;
                    answer.send(()).unwrap();
                };
                world.spawn(chain).detach();
            }
        }
        answered.recv_timeout(STALL).expect("no stall");
        world.answered();
        if random.below(3) == 0 && !held.is_empty() {
            drop(held.swap_remove(size(&mut random, held.len() as u64) - 1));
        }
        for _ in 0..random.below(300) {
            std::hint::spin_loop();
        }
    }
}

/// Waits for a timer that is moved while it waits; not shorter than told.
async fn moved(reactor: Reactor, first: u64, last: u64, answer: mpsc::Sender<()>) {
    let start = Instant::now();
    let mut sleep = pin!(reactor.sleep(Duration::from_micros(first)));
    let deadline = start + Duration::from_micros(last);
    let mut polled = false;
    poll_fn(|context| {
        if !std::mem::replace(&mut polled, true) && sleep.as_mut().poll(context).is_pending() {
            Pin::get_mut(sleep.as_mut()).reset(deadline);
        }
        if sleep.deadline() == deadline { sleep.as_mut().poll(context) } else { Poll::Ready(()) }
    })
    .await;
    assert!(Instant::now() >= sleep.deadline(), "a timer that fires early");
    let _ = answer.send(());
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets, and no time")]
fn everything_at_once() {
    let seconds = variable("NARTHEX_STRESS_SECONDS", 2);
    let seed = variable("NARTHEX_STRESS_SEED", 0x9e37_79b9_7f4a_7c15);
    let outer = Outer::new();
    let (listener, address) = crate::sockets::tcp(&outer.reactor);
    let world = World {
        reactor: outer.reactor.clone(),
        address,
        end: Instant::now() + Duration::from_secs(seconds),
        alive: Arc::default(),
        answers: Arc::default(),
    };
    let server = world.spawn(serve(world.clone(), listener));
    let on_the_reactor: Vec<_> =
        (1..=2).map(|number| world.spawn(client(world.clone(), Random::new(seed ^ number)))).collect();
    let works: [fn(&World, Random); 2] = [blocking_client, foreign];
    let threads: Vec<JoinHandle<()>> = (0..4_u64)
        .map(|number| {
            let (world, random) = (world.clone(), Random::new(seed.rotate_left(8) ^ (number + 1)));
            let work = works[usize::try_from(number % 2).unwrap()];
            thread::spawn(move || work(&world, random))
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let standby = standby(&outer.reactor, &stop);

    let mut random = Random::new(seed);
    let late = world.end + STALL;
    while !(threads.iter().all(JoinHandle::is_finished) && on_the_reactor.iter().all(Task::is_finished)) {
        assert!(Instant::now() < late, "stalled; NARTHEX_STRESS_SEED={seed} repeats it, perhaps");
        if outer.wait(Duration::from_millis(5)) || random.below(8) == 0 {
            pump(&outer, &mut random);
        }
        if random.below(32) == 0 {
            // Python is busy for longer than a tick: the standby has it all.
            let back = Instant::now() + Duration::from_millis(random.below(8));
            while Instant::now() < back {
                std::hint::spin_loop();
            }
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    on_the_reactor.into_iter().for_each(crate::outer::output);
    stop.store(true, Ordering::SeqCst);
    outer.reactor.interrupt();
    standby.join().unwrap();

    drop(server);
    let quiet = Instant::now() + STALL;
    while world.alive.load(Ordering::SeqCst) > 0 {
        assert!(Instant::now() < quiet, "{} futures are left", world.alive.load(Ordering::SeqCst));
        outer.wait(Duration::from_millis(5));
        outer.turn();
    }
    outer.settle();
    assert!(world.answers.load(Ordering::SeqCst) > 100, "it did hardly anything");
}
