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

/// The standby, from one look at the pump to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Standby {
    Waiting,
    /// It has found that the pump had not moved; whether the pump has moved since.
    Looked {
        moved: bool,
    },
    /// It has the right to drive the reactor, and sleeps there until the pump asks for it.
    Driving,
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
    standby: Standby,
    /// How often the reactor's descriptor may wake the standby while the pump is away.
    work: usize,
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
            standby: Standby::Waiting,
            work: 1,
        }
    }

    fn ring(&mut self, bells: Bells) {
        for (readable, rung) in self.readable.iter_mut().zip(bells) {
            *readable |= rung;
        }
    }

    /// Every world that one step of anybody leads to.
    fn after(&self) -> Vec<Self> {
        [self.after_pushes(), self.after_the_loop(), self.after_the_standby()].concat()
    }

    /// A tick may be over at any time. While the pump is away it is the reactor's descriptor that the standby waits for.
    fn after_the_standby(&self) -> Vec<Self> {
        let mut world = self.clone();
        match self.standby {
            Standby::Waiting => {
                if self.stack.len() == 1 {
                    let Some(work) = self.work.checked_sub(1) else { return Vec::new() };
                    world.work = work;
                }
                let bells = world.protocol.neglected();
                world.ring(bells);
                world.standby = Standby::Looked { moved: false };
                vec![world]
            }
            Standby::Looked { moved } => {
                let mut driving = world.clone();
                driving.standby = Standby::Driving;
                world.standby = Standby::Waiting;
                if moved { vec![world] } else { vec![world, driving] }
            }
            Standby::Driving => Vec::new(),
        }
    }

    /// The pump has started, passed or left. To pass it needs the right to drive.
    fn moved(&mut self, passed: bool) {
        match &mut self.standby {
            Standby::Looked { moved } => *moved = true,
            Standby::Driving if passed => self.standby = Standby::Waiting,
            _ => {}
        }
    }

    /// Whether nothing moves any more, but for a standby that looks in vain.
    fn is_at_rest(&self) -> bool {
        let mut seen = HashSet::from([self.clone()]);
        let mut left = vec![self.clone()];
        while let Some(world) = left.pop() {
            if !world.after_pushes().is_empty() || !world.after_the_loop().is_empty() {
                return false;
            }
            left.extend(world.after_the_standby().into_iter().filter(|next| seen.insert(next.clone())));
        }
        true
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
                world.moved(false);
                for (readable, silenced) in world.readable.iter_mut().zip(world.protocol.attend(caller)) {
                    *readable &= !silenced;
                }
            })],
            Step::Look => {
                let left = self.protocol.len();
                let next = if left == 0 { Step::Leave } else { Step::Run { left } };
                vec![self.on_top(next, |world| world.moved(true))]
            }
            Step::Run { left: 0 } => vec![self.on_top(Step::Look, |_| ()), self.on_top(Step::Leave, |_| ())],
            Step::Run { left } => vec![self.on_top(Step::Run { left: left - 1 }, Self::run_one)],
            Step::Leave => {
                let mut world = self.clone();
                world.moved(false);
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
        if world.is_at_rest() {
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
