//! Jobs reach Python whoever pushes them, and one that fails spares the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use narthex_pyrt::RuntimeOptions;
use pyo3::prelude::*;

use crate::{Run, resolve, with_runtime};

#[test]
fn a_job_of_a_reactor_task_runs_on_the_loop() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        let future = fixture.future();
        let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
        fixture.runtime.reactor().spawn(async move { runtime.push(resolve(done)) }).detach();
        fixture.wait(&future).unwrap();
    });
}

#[test]
fn a_job_of_another_thread_wakes_a_sleeping_loop() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        let future = fixture.future();
        let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
        // Sends once the loop is up and has nothing else to do.
        let (up, is_up) = mpsc::channel();
        fixture.runtime.push(Run(move |_: Python<'_>| up.send(()).unwrap()));
        let thread = std::thread::spawn(move || {
            is_up.recv().unwrap();
            runtime.push(resolve(done));
        });
        fixture.wait(&future).unwrap();
        thread.join().unwrap();
    });
}

#[test]
fn jobs_keep_their_order_and_none_is_lost_when_a_turn_ends_early() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        const JOBS: usize = 5_000;
        let seen = Arc::new(AtomicUsize::new(0));
        for number in 0..JOBS {
            let seen = Arc::clone(&seen);
            fixture.runtime.push(Run(move |py: Python<'_>| {
                assert_eq!(seen.fetch_add(1, Ordering::Relaxed), number);
                // Long enough that many turns are needed.
                py.run(c"sum(range(300))", None, None).unwrap();
            }));
        }
        let future = fixture.future();
        fixture.runtime.push(resolve(future.clone().unbind()));
        fixture.wait(&future).unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), JOBS);
    });
}

#[test]
fn pythons_own_callbacks_get_their_turn_under_a_flood_of_jobs() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        // A job that pushes itself again for ever.
        struct Again;
        impl narthex_pyrt::Job for Again {
            fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<narthex_pyrt::Runtime>) {
                py.run(c"sum(range(1000))", None, None).unwrap();
                runtime.push(Again);
            }
        }
        fixture.runtime.push(Again);
        let names = fixture.names();
        fixture
            .run(
                "import asyncio\nasync def main():\n    for _ in range(20): await asyncio.sleep(0.001)",
                &names,
            )
            .unwrap();
    });
}

#[test]
fn a_job_that_panics_ends_alone() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        fixture.runtime.push(Run(|_: Python<'_>| panic!("a bug, on purpose")));
        let future = fixture.future();
        fixture.runtime.push(resolve(future.clone().unbind()));
        fixture.wait(&future).unwrap();
    });
}

#[test]
fn two_runtimes_share_a_loop_that_is_already_running() {
    with_runtime(RuntimeOptions::default(), |first| {
        let reactor = narthex_reactor::Reactor::new().unwrap();
        let second =
            narthex_pyrt::Runtime::new(&first.event_loop, reactor, RuntimeOptions::default()).unwrap();
        let future = first.future();
        let (starter, done) = (Arc::clone(&second), future.clone().unbind());
        first.runtime.push(Run(move |py: Python<'_>| {
            starter.start(py).unwrap();
            starter.push(resolve(done));
        }));
        first.wait(&future).unwrap();
        second.stop(first.py);
    });
}
