//! Whom an entry wakes: the queue, what the pump is doing, and which bells ring. Each method is one step under the inbox's lock.

use std::collections::VecDeque;

/// Which of the bells, the outer one and the inner one. The event loop watches each by a callback of its own.
pub(super) type Bells = [bool; 2];

/// Whose callback has called the pump. While it runs it cannot be entered a second time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    InnerBell,
    /// The outer bell's, or the reactor's.
    #[default]
    Other,
}

/// What the pump is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Pump {
    /// It has returned to the event loop.
    #[default]
    Away,
    /// It is running and will look at the entries before it returns.
    Attending,
    /// It runs, but has not moved for a tick. Python may run the event loop inside the event loop.
    Stuck,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Protocol<T> {
    items: VecDeque<T>,
    pump: Pump,
    /// The pump's that has started last.
    caller: Caller,
    /// Which bells are rung and not yet silenced.
    rung: Bells,
}

impl<T> Default for Protocol<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), pump: Pump::default(), caller: Caller::default(), rung: [false; 2] }
    }
}

impl<T> Protocol<T> {
    /// Queues an entry; returns the bells to ring.
    pub(super) fn push(&mut self, item: T) -> Bells {
        self.items.push_back(item);
        self.ring()
    }

    /// The pump starts, and nobody rings until it leaves or is stuck; returns the bells to silence.
    pub(super) fn attend(&mut self, caller: Caller) -> Bells {
        self.pump = Pump::Attending;
        self.caller = caller;
        std::mem::take(&mut self.rung)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.items.pop_front()
    }

    /// The pump returns to the event loop; returns the bells to ring for what it leaves.
    pub(super) fn leave(&mut self) -> Bells {
        self.pump = Pump::Away;
        self.ring()
    }

    /// The pump has not moved for a tick, if it runs at all; returns the bells to ring for what is queued.
    pub(super) fn neglected(&mut self) -> Bells {
        if self.pump == Pump::Attending {
            self.pump = Pump::Stuck;
        }
        self.ring()
    }

    fn ring(&mut self) -> Bells {
        let wanted = match (self.pump, self.caller) {
            (Pump::Attending, _) => [false; 2],
            (Pump::Stuck, Caller::Other) => [false, true],
            // After a pump inside the pump all callbacks are new, and any can be entered. The outermost one is called by the inner
            // bell only if that rang for a pump that came back after all.
            (Pump::Away, _) | (Pump::Stuck, Caller::InnerBell) => [true, false],
        };
        let wanted = wanted.map(|bell| bell && !self.items.is_empty());
        let before = self.rung;
        self.rung = [before[0] || wanted[0], before[1] || wanted[1]];
        [wanted[0] && !before[0], wanted[1] && !before[1]]
    }
}

#[cfg(test)]
mod tests;
