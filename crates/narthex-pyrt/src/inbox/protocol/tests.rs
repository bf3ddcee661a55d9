//! A model: the event loop's thread, others that push, and the standby as step machines, every order of their steps, and none in
//! which all of them sleep while an entry is queued.
//!
//! The protocol's methods are the real ones; a bell is readable from when it is rung until it is silenced, since both happen
//! under the lock. The event loop, and each loop that an entry runs inside of it, is a machine on a stack.

use std::collections::HashSet;

use super::*;

/// An entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Plain,
    /// Runs the event loop until all other entries have run.
    Nests,
}

/// In the order in which they are pushed; which thread is first is any order's.
const PUSHED: [Entry; 4] = [Entry::Plain, Entry::Nests, Entry::Plain, Entry::Plain];

/// The step that a loop or a pump on the stack takes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// A loop: sleeps until it may call the pump.
    Asleep,
    Attend {
        caller: Caller,
    },
    Look,
    Run {
        left: usize,
    },
    Leave,
}

/// Which callback has called the outermost pump, so that it cannot be entered again until the pump has had all watched anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Blocked {
    Nothing,
    Bell(usize),
    /// The reactor's.
    Reactor,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    protocol: Protocol<Entry>,
    readable: Bells,
    pushed: [bool; PUSHED.len()],
    ran: usize,
    /// How often the reactor's descriptor may still become readable, for reasons of its own.
    reactor: usize,
    stack: Vec<Step>,
    blocked: Blocked,
}

impl World {
    fn new() -> Self {
        Self {
            protocol: Protocol::default(),
            readable: [false; 2],
            pushed: [false; PUSHED.len()],
            ran: 0,
            reactor: 1,
            stack: vec![Step::Asleep],
            blocked: Blocked::Nothing,
        }
    }

    fn ring(&mut self, bells: Bells) {
        for (readable, rung) in self.readable.iter_mut().zip(bells) {
            *readable |= rung;
        }
    }

    /// Every world that one step of anybody leads to.
    fn after(&self) -> Vec<Self> {
        let mut worlds = self.after_pushes();
        // The standby may be slow to look; it looks at a pump that does not move, and not at a loop that sleeps.
        if self.stack.len() > 1 {
            let mut neglected = self.clone();
            let bells = neglected.protocol.neglected();
            neglected.ring(bells);
            worlds.push(neglected);
        }
        worlds.extend(self.after_the_loop());
        worlds.retain(|world| world != self);
        worlds
    }

    fn after_pushes(&self) -> Vec<Self> {
        let push = |i: usize| {
            let mut world = self.clone();
            world.pushed[i] = true;
            let bells = world.protocol.push(PUSHED[i]);
            world.ring(bells);
            world
        };
        (0..PUSHED.len()).filter(|&i| !self.pushed[i]).map(push).collect()
    }

    fn after_the_loop(&self) -> Vec<Self> {
        let Some(&top) = self.stack.last() else { return Vec::new() };
        match top {
            Step::Asleep => self.after_sleep(),
            Step::Attend { caller } => vec![self.on_top(Step::Look, |world| {
                for (readable, silenced) in world.readable.iter_mut().zip(world.protocol.attend(caller)) {
                    *readable &= !silenced;
                }
            })],
            Step::Look => {
                let left = self.protocol.len();
                vec![self.on_top(if left == 0 { Step::Leave } else { Step::Run { left } }, |_| ())]
            }
            Step::Run { left: 0 } => vec![self.on_top(Step::Look, |_| ()), self.on_top(Step::Leave, |_| ())],
            Step::Run { left } => vec![self.on_top(Step::Run { left: left - 1 }, Self::run_one)],
            Step::Leave => {
                let mut world = self.clone();
                let bells = world.protocol.leave();
                world.ring(bells);
                world.stack.pop();
                if world.stack.len() == 1 {
                    world.blocked = Blocked::Nothing;
                }
                vec![world]
            }
        }
    }

    fn on_top(&self, next: Step, change: impl FnOnce(&mut Self)) -> Self {
        let mut world = self.clone();
        if let Some(top) = world.stack.last_mut() {
            *top = next;
        }
        change(&mut world);
        world
    }

    fn run_one(&mut self) {
        match self.protocol.pop() {
            None => {} // A pump inside of this one has run it.
            Some(Entry::Plain) => self.ran += 1,
            Some(Entry::Nests) => self.stack.push(Step::Asleep),
        }
    }

    /// A loop calls the pump for a descriptor whose callback is not running; one inside of another may come to its end.
    fn after_sleep(&self) -> Vec<Self> {
        let nested = self.stack.len() > 1;
        let call = |by: Blocked| {
            let mut world = self.clone();
            let caller = if by == Blocked::Bell(1) { Caller::InnerBell } else { Caller::Other };
            world.stack.push(Step::Attend { caller });
            world.blocked = if nested { Blocked::Nothing } else { by };
            world
        };
        let callers = (0..2).filter(|&bell| self.readable[bell]).map(Blocked::Bell);
        let mut worlds: Vec<_> = callers.filter(|&by| by != self.blocked).map(call).collect();
        if self.reactor > 0 && self.blocked != Blocked::Reactor {
            let mut world = call(Blocked::Reactor);
            world.reactor -= 1;
            worlds.push(world);
        }
        if nested && self.ran == PUSHED.len() - 1 {
            let mut world = self.clone();
            world.stack.pop();
            world.ran += 1;
            worlds.push(world);
        }
        worlds
    }
}

/// Whether the loop goes to sleep if nothing else happens: a bell that nobody silences would have it call the pump for ever.
fn settles(world: &World) -> bool {
    let mut world = world.clone();
    for _ in 0..16 {
        let Some(next) = world.after_the_loop().pop() else { return true };
        world = next;
    }
    false
}

#[test]
fn no_order_of_steps_leaves_an_entry_behind() {
    let mut seen = HashSet::from([World::new()]);
    let mut left = vec![World::new()];
    while let Some(world) = left.pop() {
        let next = world.after();
        if next.is_empty() {
            assert_eq!(
                (world.ran, world.stack.len()),
                (PUSHED.len(), 1),
                "an entry is left behind: {world:#?}"
            );
        }
        if world.ran == PUSHED.len() {
            assert!(settles(&world), "the loop never sleeps: {world:#?}");
        }
        for world in next {
            if seen.insert(world.clone()) {
                left.push(world);
            }
        }
    }
    assert!(seen.len() > 1000, "{} worlds", seen.len());
}
