//! What the reactor logs, read by a subscriber of the test's own.
//!
//! In a process of its own: tracing keeps for each place that logs whether anybody listens, and a place that another test's
//! thread comes by first, while the subscriber is made, stays silent.

#![expect(clippy::unwrap_used, reason = "in a test that is how it fails")]

use std::io;
use std::sync::{Arc, Mutex};

use narthex_reactor::{Budget, Reactor, Turn};

/// Where a log is written to.
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_is_logged_as_a_bug() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time();
    let subscriber = subscriber.with_writer(move || Sink(Arc::clone(&sink)));
    tracing::subscriber::with_default(subscriber.finish(), || {
        let reactor = Reactor::new().unwrap();
        reactor.spawn(async { panic!("on purpose") }).detach();
        assert_eq!(reactor.driver().turn(Budget::default()), Turn::Idle);
    });
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("bug: ")).unwrap_or_else(|| panic!("no bug in {log:?}"));
    assert!(line.trim_start().starts_with("ERROR") && line.contains("on purpose"), "{line}");
}
