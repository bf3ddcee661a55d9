//! How a call ended, for those who cannot see it.
//!
//! Trailers tell it in gRPC. A translation writes it into the body, and what stands before the translation (the access log)
//! knows of bodies only when they end. It is *not* how the client is told.

use std::sync::{Arc, OnceLock};

use crate::code::Code;

/// The status of a call whose response hides it: a response extension that the translating layer puts there, and fills in
/// at the latest when the body has ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome(Arc<OnceLock<Code>>);

impl Outcome {
    /// The call has ended. The first word stands.
    pub fn set(&self, code: Code) {
        let _ = self.0.set(code);
    }

    /// How the call ended, if it has.
    pub fn get(&self) -> Option<Code> {
        self.0.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_stands() {
        let outcome = Outcome::default();
        let seen = outcome.clone();
        assert_eq!(seen.get(), None);
        outcome.set(Code::Aborted);
        outcome.set(Code::Ok);
        assert_eq!(seen.get(), Some(Code::Aborted));
    }
}
