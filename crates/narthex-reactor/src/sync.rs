//! The mutexes and atomics of this crate: ordinary ones, or those of loom, which runs the tests of `interleavings` in
//! every order (`RUSTFLAGS="--cfg loom"`).
//!
//! What no test of loom's gets to see (the count of forks, what async-task and the kernel keep) stays the ordinary kind.

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(not(all(test, loom)))]
pub(crate) use std::{sync::atomic, thread::yield_now};

#[cfg(all(test, loom))]
pub(crate) use self::checked::{Mutex, MutexGuard};
#[cfg(all(test, loom))]
pub(crate) use loom::{sync::atomic, thread::yield_now};

#[cfg(all(test, loom))]
mod checked {
    use std::ops::{Deref, DerefMut};

    use loom::sync::{Condvar, Mutex as Step, MutexGuard as StepGuard};

    /// A mutex with the signatures of parking_lot's. loom's own cannot be tried: it blocks whoever tries one that is held.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T> {
        held: Step<bool>,
        freed: Condvar,
        /// Only ever locked by whoever holds it.
        value: std::sync::Mutex<T>,
    }

    pub(crate) struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        value: Option<std::sync::MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self { held: Step::new(false), freed: Condvar::new(), value: std::sync::Mutex::new(value) }
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            let mut held = self.step();
            while *held {
                held = self.freed.wait(held).expect(OVER);
            }
            self.hold(held)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            let held = self.step();
            if *held { None } else { Some(self.hold(held)) }
        }

        fn hold(&self, mut held: StepGuard<'_, bool>) -> MutexGuard<'_, T> {
            *held = true;
            MutexGuard { mutex: self, value: Some(self.value.try_lock().expect("nobody else holds it")) }
        }

        fn step(&self) -> StepGuard<'_, bool> {
            self.held.lock().expect(OVER)
        }
    }

    impl<T> Drop for MutexGuard<'_, T> {
        fn drop(&mut self) {
            self.value = None;
            *self.mutex.step() = false;
            self.mutex.freed.notify_one();
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.value.as_ref().expect(HELD)
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.value.as_mut().expect(HELD)
        }
    }

    const OVER: &str = "a test that panics is over";
    const HELD: &str = "it is let go of only when dropped";
}
