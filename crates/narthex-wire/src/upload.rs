//! What the reader of a request's body may ask of whoever receives it.
//!
//! It is *not* the body, nor its flow control, which is HTTP/2's.

use std::fmt;
use std::sync::Arc;

/// The receiving side of a request's body.
pub trait Receiving: fmt::Debug + Send + Sync {
    /// Lets the body pause for as long as it likes: its client has nothing to say, and is not stalled.
    fn let_pause(&self);
}

/// The receiving side of a request's body, if it listens.
///
/// It is no part of where a request comes from: all are equal.
#[derive(Clone, Debug, Default)]
pub struct Upload(Option<Arc<dyn Receiving>>);

impl Upload {
    /// One that listens.
    pub fn new(receiving: Arc<dyn Receiving>) -> Self {
        Self(Some(receiving))
    }

    /// See [`Receiving::let_pause`].
    pub fn let_pause(&self) {
        if let Some(receiving) = &self.0 {
            receiving.let_pause();
        }
    }
}

impl PartialEq for Upload {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Upload {}
