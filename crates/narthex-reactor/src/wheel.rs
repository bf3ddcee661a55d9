//! A hierarchical timing wheel: a queue of deadlines where adding and removing take the same few steps however many wait.
//!
//! Time is counted in ticks. Level 0 has a slot for each of the next 64 ticks, level 1 one for each 64 ticks, and so on:
//! an entry lies at the level of the highest digit (base 64) in which its tick differs from the present one. When the
//! present reaches a slot of a higher level, its entries move down. (Varghese and Lauck, "Hashed and Hierarchical Timing
//! Wheels", scheme 6.)
//!
//! It knows no clock and no poller: see `timer`.

use slab::Slab;

/// Bits of a tick that one level looks at.
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// A tick's lowest digit.
const DIGIT: u64 = 0x3f;
/// Seven levels of milliseconds are more than a century.
const LEVELS: usize = 7;
/// Later than this is as good as never.
const LAST_TICK: u64 = (1 << (BITS * 7)) - 1;
const NONE: u32 = u32::MAX;

/// Entries of type `T`, each with a tick at which it is due.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    nodes: Slab<Node<T>>,
    /// The first node of each slot's list.
    heads: [[u32; SLOTS]; LEVELS],
    /// A bit for each slot that is not empty.
    occupied: [u64; LEVELS],
    /// Every tick up to this one is past; what is left is due later.
    present: u64,
    number: u64,
}

#[derive(Debug)]
struct Node<T> {
    value: T,
    tick: u64,
    /// Tells it from others that had its place before.
    number: u64,
    /// Where its list is: level and slot.
    list: (usize, usize),
    previous: u32,
    next: u32,
}

/// Names an entry, also after it has left the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    place: u32,
    number: u64,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self {
            nodes: Slab::new(),
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            present: 0,
            number: 0,
        }
    }
}

impl<T> Wheel<T> {
    /// Adds an entry due at `tick`, or at the next tick if that one is past. Says at which one, too.
    pub(crate) fn insert(&mut self, tick: u64, value: T) -> (Entry, u64) {
        let tick = tick.clamp(self.present + 1, LAST_TICK);
        self.number += 1;
        let node = Node { value, tick, number: self.number, list: (0, 0), previous: NONE, next: NONE };
        let place = u32::try_from(self.nodes.insert(node)).expect("fewer than four thousand million timers");
        self.link(place);
        (Entry { place, number: self.number }, tick)
    }

    /// The value and the tick of an entry that is still in the wheel.
    pub(crate) fn get_mut(&mut self, entry: Entry) -> Option<(&mut T, u64)> {
        let node = self.nodes.get_mut(entry.place as usize)?;
        (node.number == entry.number).then_some((&mut node.value, node.tick))
    }

    /// Takes an entry out that is still in the wheel.
    pub(crate) fn remove(&mut self, entry: Entry) -> Option<T> {
        self.get_mut(entry)?;
        self.unlink(entry.place);
        Some(self.nodes.remove(entry.place as usize).value)
    }

    /// A tick before which nothing is due; none if nothing waits. It is past the present.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next_slot().map(|(_, _, start)| start)
    }

    /// Moves the present to `tick` and hands out what has become due, in the order of its ticks.
    pub(crate) fn advance(&mut self, tick: u64, mut due: impl FnMut(T)) {
        while let Some((level, slot, start)) = self.next_slot()
            && start <= tick
        {
            self.present = start;
            let mut place = std::mem::replace(&mut self.heads[level][slot], NONE);
            self.occupied[level] &= !(1 << slot);
            while place != NONE {
                let node = &self.nodes[place as usize];
                let next = node.next;
                if node.tick <= start {
                    due(self.nodes.remove(place as usize).value);
                } else {
                    self.link(place);
                }
                place = next;
            }
        }
        self.present = self.present.max(tick);
    }

    /// The earliest slot that is not empty: level, slot, and the tick at which it begins.
    ///
    /// An entry shares with the present all digits above its level, and its digit there is the greater one. So the
    /// lowest level comes first, and within it the lowest slot.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        let shift = BITS * u32::try_from(level).expect("there are seven levels");
        let above = self.present >> shift >> BITS << BITS << shift;
        Some((level, slot as usize, above | u64::from(slot) << shift))
    }

    /// Puts a node, whose tick is past the present, at the head of the list it belongs to.
    fn link(&mut self, place: u32) {
        let node = &mut self.nodes[place as usize];
        // Or-ing the lowest digit in makes the highest difference at least that of level 0.
        let differing = (self.present ^ node.tick) | DIGIT;
        let level = (differing.ilog2() / BITS) as usize;
        let slot = (node.tick >> (BITS as usize * level) & DIGIT) as usize;
        let head = std::mem::replace(&mut self.heads[level][slot], place);
        self.occupied[level] |= 1 << slot;
        node.list = (level, slot);
        (node.previous, node.next) = (NONE, head);
        if head != NONE {
            self.nodes[head as usize].previous = place;
        }
    }

    /// Takes a node out of its list.
    fn unlink(&mut self, place: u32) {
        let Node { list: (level, slot), previous, next, .. } = self.nodes[place as usize];
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if previous != NONE {
            self.nodes[previous as usize].next = next;
            return;
        }
        self.heads[level][slot] = next;
        if next == NONE {
            self.occupied[level] &= !(1 << slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Remove(usize),
        Advance(u64),
        /// To what `next` says, as the timer does.
        Next,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Distances of every magnitude: few ticks, and such as cross several levels.
        let distance = (0_u32..40).prop_flat_map(|bits| 0..=(1_u64 << bits));
        let step = prop_oneof![
            4 => distance.clone().prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => distance.prop_map(Step::Advance),
            2 => Just(Step::Next),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "it has no unsafe code, and takes hours under Miri")]
        fn it_does_what_a_sorted_map_does(steps in steps()) {
            let mut wheel = Wheel::default();
            let mut model = BTreeMap::new();
            let mut entries = Vec::new();
            let mut present = 0;
            for (number, step) in steps.into_iter().enumerate() {
                let to = match step {
                    Step::Insert(distance) => {
                        let (entry, tick) = wheel.insert(present + distance, number);
                        prop_assert_eq!(tick, (present + distance).clamp(present + 1, LAST_TICK));
                        model.insert((tick, number), entry);
                        entries.push((tick, number, entry));
                        continue;
                    }
                    Step::Remove(index) => {
                        if !entries.is_empty() {
                            let (tick, number, entry) = entries[index % entries.len()];
                            let expected = model.remove(&(tick, number)).map(|_| number);
                            prop_assert_eq!(wheel.get_mut(entry).map(|(_, tick)| tick), expected.map(|_| tick));
                            prop_assert_eq!(wheel.remove(entry), expected);
                        }
                        continue;
                    }
                    Step::Advance(distance) => (present + distance).min(LAST_TICK - 1),
                    Step::Next => wheel.next().unwrap_or(present),
                };
                let first = model.keys().next().map(|(tick, _)| *tick);
                match (wheel.next(), first) {
                    (Some(next), Some(first)) => prop_assert!(present < next && next <= first),
                    (next, first) => prop_assert_eq!(next, first),
                }
                present = to;
                let mut due = Vec::new();
                wheel.advance(present, |number| due.push(number));
                let mut late = model.split_off(&(present + 1, 0));
                std::mem::swap(&mut model, &mut late);
                let ticks: BTreeMap<_, _> = late.into_keys().map(|(tick, number)| (number, tick)).collect();
                prop_assert!(due.is_sorted_by_key(|number| ticks[number]));
                due.sort_unstable();
                prop_assert_eq!(due, ticks.into_keys().collect::<Vec<_>>());
            }
            prop_assert_eq!(wheel.nodes.len(), model.len());
        }
    }

    #[test]
    fn never_is_not_an_overflow() {
        let mut wheel = Wheel::default();
        let (entry, tick) = wheel.insert(u64::MAX, ());
        assert_eq!(tick, LAST_TICK);
        wheel.advance(1 << 40, |()| panic!("not due"));
        assert_eq!(wheel.remove(entry), Some(()));
        assert_eq!(wheel.next(), None);
    }
}
