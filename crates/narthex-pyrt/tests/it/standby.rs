//! While Python is busy, whatever needs no Python goes on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use narthex_pyrt::RuntimeOptions;
use pyo3::prelude::*;

use crate::{PATIENCE, Run, resolve, with_runtime};

/// Counts the ticks of a task of the reactor while `busy` holds the event loop until `ticks` have passed.
fn ticks_go_on(busy: impl FnOnce(Python<'_>, &dyn Fn() -> bool) + Send + 'static) {
    with_runtime(RuntimeOptions::default(), |fixture| {
        const TICKS: usize = 20;
        let ticked = Arc::new(AtomicUsize::new(0));
        let (runtime, counter) = (Arc::clone(&fixture.runtime), Arc::clone(&ticked));
        let ticking = async move {
            loop {
                runtime.reactor().sleep(Duration::from_millis(1)).await;
                counter.fetch_add(1, Ordering::SeqCst);
            }
        };
        let ticking = fixture.runtime.reactor().spawn(ticking);
        let future = fixture.future();
        let done = future.clone().unbind();
        fixture.runtime.push(Run(move |py: Python<'_>| {
            let start = ticked.load(Ordering::SeqCst);
            busy(py, &|| ticked.load(Ordering::SeqCst) >= start + TICKS);
            assert!(ticked.load(Ordering::SeqCst) >= start + TICKS, "the reactor stood still");
            done.call_method1(py, "set_result", (py.None(),)).unwrap();
        }));
        fixture.wait(&future).unwrap();
        drop(ticking);
    });
}

#[test]
fn while_a_handler_spins_in_python() {
    ticks_go_on(|py, enough| {
        let start = std::time::Instant::now();
        while !enough() && start.elapsed() < PATIENCE {
            py.run(c"sum(range(1000))", None, None).unwrap();
        }
    });
}

#[test]
fn while_a_handler_blocks_outside_python() {
    ticks_go_on(|py, enough| {
        let start = std::time::Instant::now();
        while !enough() && start.elapsed() < PATIENCE {
            py.run(c"import time; time.sleep(0.005)", None, None).unwrap();
        }
    });
}

#[test]
fn what_a_blocked_handler_wakes_is_run() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        let future = fixture.future();
        let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
        fixture.runtime.push(Run(move |py: Python<'_>| {
            let (ran, has_run) = mpsc::channel();
            runtime.reactor().spawn(async move { ran.send(()).unwrap() }).detach();
            // Held by the interpreter: only the standby can have run it.
            has_run.recv_timeout(PATIENCE).unwrap();
            done.call_method1(py, "set_result", (py.None(),)).unwrap();
        }));
        fixture.wait(&future).unwrap();
    });
}

#[test]
fn what_the_standby_finds_for_python_is_run_when_python_is_free() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        let future = fixture.future();
        let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
        let pushed = Arc::new(AtomicBool::new(false));
        let was_pushed = Arc::clone(&pushed);
        let pusher = Arc::clone(&fixture.runtime);
        let task = async move {
            pusher.reactor().sleep(Duration::from_millis(20)).await;
            pusher.push(resolve(done));
            pushed.store(true, Ordering::SeqCst);
        };
        fixture.runtime.push(Run(move |py: Python<'_>| {
            runtime.reactor().spawn(task).detach();
            let start = std::time::Instant::now();
            while !was_pushed.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
                py.run(c"sum(range(1000))", None, None).unwrap();
            }
        }));
        fixture.wait(&future).unwrap();
    });
}
