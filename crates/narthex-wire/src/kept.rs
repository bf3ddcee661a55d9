//! What a service keeps for as long as a connection lives.
//!
//! It is not a map: one service answers most of a connection's requests, and it is for that one to be quick.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A place for one value of any type, which is gone with its connection.
///
/// It is no part of what a connection is: all are equal, and a clone is empty.
#[derive(Default)]
pub struct Kept(Mutex<Option<Arc<dyn Any + Send + Sync>>>);

impl Kept {
    /// The value, if it is one of this type.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        value.downcast().ok()
    }

    /// Puts a value in the place of the one before.
    pub fn put<T: Any + Send + Sync>(&self, value: Arc<T>) {
        let old = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(value);
        // Outside the lock: what it drops may be anything.
        drop(old);
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Kept {}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_type_and_goes_with_its_place() {
        let (kept, value) = (Kept::default(), Arc::new(5_u8));
        assert_eq!(kept.get::<u8>(), None);
        kept.put(Arc::clone(&value));
        assert_eq!(kept.get::<u8>(), Some(Arc::clone(&value)));
        assert_eq!(kept.get::<u16>(), None);
        assert_eq!(kept.clone().get::<u8>(), None);
        assert_eq!(Arc::strong_count(&value), 2);
        kept.put(Arc::new(6_u16));
        assert_eq!((Arc::strong_count(&value), kept.get::<u16>().as_deref()), (1, Some(&6)));
    }
}
