//! How long to leave an upstream alone that could not be reached.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

/// The first pause; it doubles with each failure.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// Pauses are longer or shorter by up to this part, so that many servers do not come back to one upstream together.
const JITTER: f64 = 0.2;

/// Attempts to connect that have failed, one after the other: there was no connection, or one that ended before it was of use.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Another attempt has failed.
    pub(crate) fn failed(&mut self) {
        self.until = Some(Instant::now() + jittered(pause(self.failures)));
        self.failures = self.failures.saturating_add(1);
    }

    /// The connection that was made at this time has ended before it answered a call. The next may follow the first such one at
    /// once, as when a server restarts.
    pub(crate) fn ended_early(&mut self, made: Instant) {
        if self.is_failing() {
            self.until = Some(made + jittered(pause(self.failures)));
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// There is a connection; whether it is of use, its first call will show.
    pub(crate) fn connected(&mut self) {
        self.until = None;
    }

    /// How long the next attempt has to wait.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Whether the last attempt has failed, or has still to prove that it has not.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

fn pause(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST)
}

fn jittered(pause: Duration) -> Duration {
    // The seeds of the standard library's hash maps are random enough.
    let random = RandomState::new().build_hasher().finish() >> 40;
    #[expect(clippy::cast_precision_loss, reason = "24 bits are left")]
    let part = random as f64 / f64::from(1 << 24);
    pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = [0, 1, 2, 6, 7, 8, 1000].map(|failures| pause(failures).as_millis());
        assert_eq!(pauses, [100, 200, 400, 6400, 10_000, 10_000, 10_000]);
        for _ in 0..100 {
            let pause = jittered(Duration::from_secs(1)).as_millis();
            assert!((800..=1200).contains(&pause), "{pause}");
        }
    }

    #[test]
    fn connections_that_end_early_are_made_less_and_less_often() {
        let mut backoff = Backoff::default();
        backoff.ended_early(Instant::now());
        backoff.connected();
        assert_eq!((backoff.left(), backoff.is_failing()), (None, true));
        for longest in [240, 480] {
            backoff.ended_early(Instant::now());
            let left = backoff.left().unwrap().as_millis();
            assert!((longest / 2..=longest).contains(&left), "{left} of {longest}");
            backoff.connected();
        }
        // One that was made long ago has had its pause.
        backoff.ended_early(Instant::now().checked_sub(LONGEST).unwrap());
        assert_eq!(backoff.left(), None);
    }

    #[test]
    fn the_first_attempt_waits_for_nothing() {
        let mut backoff = Backoff::default();
        assert_eq!((backoff.left(), backoff.is_failing()), (None, false));
        backoff.failed();
        assert!(backoff.left().is_some_and(|left| left <= FIRST * 2) && backoff.is_failing());
    }
}
