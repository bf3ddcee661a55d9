//! In which order the members of objects come: as the ones before them did.

use std::sync::atomic::{AtomicU32, Ordering};

/// A guess at the field that comes next: its index among the fields of the message. Whoever sends objects of a type mostly sends
/// the same members in the same order.
///
/// It is only ever a guess, so that it does not matter who of several readers has written it last.
#[derive(Debug)]
pub(crate) struct Next(AtomicU32);

impl Next {
    /// What is guessed before anything has come.
    pub(super) fn new(index: usize) -> Self {
        Self(AtomicU32::new(index.try_into().unwrap_or(u32::MAX)))
    }

    /// The index, which may be one of no field.
    #[inline]
    pub(crate) fn guess(&self) -> usize {
        self.0.load(Ordering::Relaxed) as usize
    }

    /// Another one came.
    pub(crate) fn learn(&self, index: usize) {
        self.0.store(index.try_into().unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}
