//! How long to leave an upstream alone that could not be reached.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

/// The first pause; it doubles with each failure.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// Pauses are longer or shorter by up to this part, so that many servers do not come back to one upstream together.
const JITTER: f64 = 0.2;

/// Attempts to connect that have failed, one after the other.
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

    /// How long the next attempt has to wait.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Whether the last attempt failed.
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
    fn the_first_attempt_waits_for_nothing() {
        let mut backoff = Backoff::default();
        assert_eq!((backoff.left(), backoff.is_failing()), (None, false));
        backoff.failed();
        assert!(backoff.left().is_some_and(|left| left <= FIRST * 2) && backoff.is_failing());
    }
}
