//! Messages on their way out: what a handler has written and its client has not yet made room for.
//!
//! Small ones are joined, since where a DATA frame ends means nothing in gRPC and each costs its client and us.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use narthex_pyrt::{Waiter, Waiting};
use narthex_wire::envelope;

/// A handler that writes waits once as much is on its way.
const FULL: usize = 64 * 1024;
/// A message of this size is a piece of its own: what a copy saves the others, it would cost this one.
const ALONE: usize = 16 * 1024;

#[derive(Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    /// Comes after the pieces.
    joined: BytesMut,
    size: usize,
    /// Coroutines and threads that wait for room.
    writers: Waiting,
}

impl Outgoing {
    /// Whether the next write need not wait.
    pub(crate) fn has_room(&self) -> bool {
        self.size < FULL
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Adds a message as it is: a copy of it, or, if it is large, what `share` gives without copying.
    pub(crate) fn push(&mut self, message: &[u8], share: impl FnOnce() -> Bytes) {
        self.size += envelope::PREFIX + message.len();
        self.joined.extend_from_slice(&envelope::prefix(message.len(), false));
        if Self::is_alone(message) {
            self.pieces.push_back(self.joined.split().freeze());
            self.pieces.push_back(share());
        } else {
            self.joined.extend_from_slice(message);
        }
    }

    /// Whether a message is a piece of its own.
    pub(crate) fn is_alone(message: &[u8]) -> bool {
        message.len() >= ALONE
    }

    /// Adds a message in its envelope.
    pub(crate) fn push_envelope(&mut self, envelope: Bytes) {
        self.size += envelope.len();
        if envelope.len() < ALONE {
            self.joined.extend_from_slice(&envelope);
            return;
        }
        if !self.joined.is_empty() {
            self.pieces.push_back(self.joined.split().freeze());
        }
        self.pieces.push_back(envelope);
    }

    /// The next piece to send, if there is one.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let piece = match self.pieces.pop_front() {
            Some(piece) => piece,
            None if self.joined.is_empty() => return None,
            None => self.joined.split().freeze(),
        };
        self.size -= piece.len();
        Some(piece)
    }

    /// Whether one piece is all there is.
    pub(crate) fn is_one_piece(&self) -> bool {
        self.pieces.len() + usize::from(!self.joined.is_empty()) == 1
    }

    pub(crate) fn wait(&mut self, waiter: &Arc<Waiter>) {
        self.writers.add(waiter);
    }

    pub(crate) fn block(&mut self, waker: &Waker) {
        self.writers.add_lane(waker);
    }

    /// Those that may go on if there is room now.
    pub(crate) fn writers(&mut self) -> Option<Waiting> {
        self.has_room().then(|| self.take_writers())
    }

    /// Those that wait, whether there is room or not.
    pub(crate) fn take_writers(&mut self) -> Waiting {
        self.writers.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_are_joined_and_large_ones_stand_alone_in_their_order() {
        let mut outgoing = Outgoing::default();
        assert!(outgoing.is_empty());
        outgoing.push(b"a", || unreachable!("it is small"));
        outgoing.push(b"bc", || unreachable!("it is small"));
        let large = Bytes::from_static(&[7; ALONE]);
        outgoing.push(&large, || large.clone());
        outgoing.push_envelope(envelope::encode(b"d"));
        assert!(!outgoing.is_one_piece());
        assert_eq!(outgoing.take().unwrap(), &b"\0\0\0\0\x01a\0\0\0\0\x02bc\0\0\0\x40\0"[..]);
        assert_eq!(outgoing.take().unwrap().as_ptr(), large.as_ptr());
        assert!(outgoing.is_one_piece());
        assert_eq!(outgoing.take().unwrap(), envelope::encode(b"d"));
        assert_eq!(outgoing.take(), None);
        assert!(outgoing.is_empty());
    }

    #[test]
    fn what_waits_is_bounded_but_for_the_last_message() {
        let mut outgoing = Outgoing::default();
        let large = Bytes::from(vec![0; FULL - 1]);
        outgoing.push(&large, || large.clone());
        assert!(!outgoing.has_room() && outgoing.writers().is_none());
        outgoing.take();
        outgoing.take();
        assert!(outgoing.has_room() && outgoing.writers().is_some());
    }
}
