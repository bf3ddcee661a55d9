//! A model: the threads of a server as step machines, every order of their steps, and no state in which all of them
//! sleep while something is to be done.
//!
//! What the mutexes, the kernel and the atomics do in one step is one step here; the protocol's methods are the real
//! ones. The poller is a bit that a notification sets and a wait clears.

use std::collections::HashSet;

use super::*;

/// How many wakes come from other threads.
const WAKES: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    protocol: Protocol<()>,
    /// The descriptor is readable.
    readable: bool,
    /// Which thread holds the driver mutex.
    holder: Option<usize>,
    /// Threads that wait for it.
    waiting: usize,
    /// Taken from the queue by the holder.
    batch: usize,
    ran: usize,
    threads: [Thread; 5],
}

/// A thread and the step it takes next. The index of the pump is 0, that of the standby 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Thread {
    /// Another thread that wakes a task.
    Push,
    /// Does what it was told to, then goes on.
    Notifying(Next),
    Done,

    /// Sleeps until the descriptor is readable.
    Sleeping,
    /// The pump wants to drive.
    TryLock,
    Wait,
    Interrupt,
    Lock,
    Locked,
    Begin,
    /// Looks at the poller without blocking, or blocks in it.
    Poll,
    PollBlocking,
    Waited,
    Take,
    Run,
    /// The standby has nothing to run.
    LookWhetherWanted,
    Park,
    /// Leaves: has a look whether there is a successor, says so, unlocks.
    LookForSuccessor,
    End {
        successor: bool,
    },
    Unlock,
    /// The pump's promise ends.
    Neglect,
}

/// What follows a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Next {
    Done,
    Lock,
    Unlock,
    Sleeping,
}

const PUMP: usize = 0;

impl World {
    fn new() -> Self {
        let mut threads = [Thread::Push; 5];
        threads[..2].fill(Thread::Sleeping);
        let (protocol, holder) = (Protocol::default(), None);
        Self { protocol, readable: false, holder, waiting: 0, batch: 0, ran: 0, threads }
    }

    /// Every world that one step of thread `i` leads to; none if it sleeps or is done.
    fn after(&self, i: usize, attends: bool) -> Vec<World> {
        let pump = i == PUMP;
        let mut world = self.clone();
        let mut other = None;
        world.threads[i] = match self.threads[i] {
            Thread::Done => return Vec::new(),
            Thread::Push => notified(world.protocol.push(()), Next::Done),
            Thread::Notifying(next) => {
                world.readable = true;
                next.thread()
            }
            Thread::Sleeping | Thread::PollBlocking if !self.readable => return Vec::new(),
            Thread::Sleeping if pump && attends => {
                world.protocol.attend();
                Thread::TryLock
            }
            Thread::Sleeping => Thread::TryLock,
            Thread::TryLock if self.holder.is_none() => {
                world.holder = Some(i);
                Thread::Begin
            }
            Thread::TryLock if pump => Thread::Wait,
            Thread::TryLock => Thread::Sleeping,
            Thread::Wait => {
                world.waiting += 1;
                Thread::Interrupt
            }
            Thread::Interrupt => notified(world.protocol.interrupt(), Next::Lock),
            Thread::Lock if self.holder.is_some() => return Vec::new(),
            Thread::Lock => {
                world.holder = Some(i);
                Thread::Locked
            }
            Thread::Locked => {
                world.waiting -= 1;
                Thread::Begin
            }
            Thread::Begin => {
                world.protocol.begin();
                // The pump polls first; the standby runs what there is, then parks.
                if pump { Thread::Poll } else { Thread::Take }
            }
            Thread::Poll | Thread::PollBlocking => {
                world.readable = false;
                Thread::Waited
            }
            Thread::Waited => {
                world.protocol.waited();
                Thread::Take
            }
            Thread::Take => world.take(pump),
            Thread::Run => {
                world.batch -= 1;
                world.ran += 1;
                // A budget may end here, and a standby looks whether it is wanted.
                let mut stopped = world.clone();
                stopped.put_back();
                stopped.threads[i] = Thread::LookForSuccessor;
                if pump || self.waiting > 0 {
                    other = Some(stopped);
                }
                match world.batch {
                    0 => Thread::Take,
                    _ => Thread::Run,
                }
            }
            Thread::LookWhetherWanted if self.waiting > 0 => Thread::LookForSuccessor,
            Thread::LookWhetherWanted => Thread::Park,
            Thread::Park if world.protocol.park() => Thread::PollBlocking,
            Thread::Park => Thread::Poll,
            Thread::LookForSuccessor => Thread::End { successor: self.waiting > 0 },
            Thread::End { successor } => notified(world.protocol.end(successor), Next::Unlock),
            Thread::Unlock => {
                world.holder = None;
                if pump && attends { Thread::Neglect } else { Thread::Sleeping }
            }
            Thread::Neglect => notified(world.protocol.neglect(), Next::Sleeping),
        };
        std::iter::once(world).chain(other).collect()
    }

    fn take(&mut self, pump: bool) -> Thread {
        let mut batch = VecDeque::new();
        self.protocol.take(&mut batch);
        self.batch = batch.len();
        match (self.batch, pump) {
            (1.., _) => Thread::Run,
            (0, true) => Thread::LookForSuccessor,
            (0, false) => Thread::LookWhetherWanted,
        }
    }

    fn put_back(&mut self) {
        let mut batch = VecDeque::from(vec![(); self.batch]);
        self.protocol.put_back(&mut batch);
        self.batch = 0;
    }
}

impl Next {
    fn thread(self) -> Thread {
        match self {
            Self::Done => Thread::Done,
            Self::Lock => Thread::Lock,
            Self::Unlock => Thread::Unlock,
            Self::Sleeping => Thread::Sleeping,
        }
    }
}

fn notified(Notify(needed): Notify, next: Next) -> Thread {
    if needed { Thread::Notifying(next) } else { next.thread() }
}

/// Walks through all worlds that can come about.
fn explore(attends: bool) -> usize {
    let mut seen = HashSet::from([World::new()]);
    let mut left = vec![World::new()];
    while let Some(world) = left.pop() {
        let mut asleep = true;
        for i in 0..world.threads.len() {
            for next in world.after(i, attends) {
                asleep = false;
                if seen.insert(next.clone()) {
                    left.push(next);
                }
            }
        }
        if asleep {
            // Nothing moves any more, so nothing may be left to do, and nobody may wait for a right that nobody returns.
            assert_eq!(world.ran, WAKES, "a wake is lost: {world:#?}");
            assert_eq!((world.protocol.len(), world.batch, world.waiting), (0, 0, 0), "{world:#?}");
        }
    }
    seen.len()
}

#[test]
#[cfg_attr(miri, ignore = "it has no unsafe code, and takes hours under Miri")]
fn no_order_of_steps_loses_a_wake() {
    assert!(explore(false) > 1000);
}

#[test]
#[cfg_attr(miri, ignore = "it has no unsafe code, and takes hours under Miri")]
fn no_order_of_steps_loses_a_wake_while_the_pump_attends() {
    assert!(explore(true) > 1000);
}
