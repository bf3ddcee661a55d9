//! Lanes: threads that live on, a bounded queue, results back through the reactor.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};

use narthex_pyrt::{LanesFull, RuntimeOptions};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::{PATIENCE, resolve, with_runtime};

#[test]
fn a_lane_keeps_its_thread_locals_between_calls() {
    with_runtime(RuntimeOptions { lanes: 1, lane_queue: 8, executor: None }, |fixture| {
        let names = fixture.names();
        let source = c"
import threading
local = threading.local()
def count():
    local.calls = getattr(local, 'calls', 0) + 1
    return local.calls, threading.get_ident()
main_thread = threading.get_ident()";
        fixture.py.run(source, Some(&names), None).unwrap();
        let count = names.get_item("count").unwrap().unwrap().unbind();
        let seen: Arc<Mutex<Vec<(u32, u64)>>> = Arc::default();
        for _ in 0..3 {
            let (count, seen, future) = (count.clone_ref(fixture.py), Arc::clone(&seen), fixture.future());
            let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
            fixture
                .runtime
                .submit(move |py| {
                    seen.lock().push(count.call0(py).unwrap().extract(py).unwrap());
                    runtime.push(resolve(done));
                })
                .unwrap();
            fixture.wait(&future).unwrap();
        }
        let seen = seen.lock();
        assert_eq!(seen.iter().map(|call| call.0).collect::<Vec<_>>(), [1, 2, 3]);
        let main: u64 = names.get_item("main_thread").unwrap().unwrap().extract().unwrap();
        assert!(seen.iter().all(|call| call.1 != main));
    });
}

#[test]
fn a_call_that_panics_ends_alone_and_keeps_its_lane() {
    with_runtime(RuntimeOptions { lanes: 1, lane_queue: 8, executor: None }, |fixture| {
        let lanes = &fixture.runtime;
        let (report, reports) = crossbeam_channel::unbounded();
        for panics in [false, true, false] {
            let report = report.clone();
            lanes
                .submit(move |_| {
                    report.send(std::thread::current().id()).unwrap();
                    assert!(!panics, "a bug, on purpose");
                })
                .unwrap();
        }
        let threads: HashSet<_> =
            fixture.py.detach(|| (0..3).map(|_| reports.recv_timeout(PATIENCE).unwrap()).collect());
        assert_eq!(threads.len(), 1);
        // It counts as ended: nobody waits for it.
        let future = fixture.future();
        let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
        let idle = async move {
            runtime.idle().await;
            runtime.push(resolve(done));
        };
        fixture.runtime.reactor().spawn(idle).detach();
        fixture.wait(&future).unwrap();
    });
}

#[test]
fn busy_lanes_make_more_up_to_the_limit_and_then_the_queue_fills() {
    with_runtime(RuntimeOptions { lanes: 2, lane_queue: 1, executor: None }, |fixture| {
        let lanes = &fixture.runtime;
        let (report, reports) = crossbeam_channel::unbounded();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let submit = || {
            let (report, gate) = (report.clone(), Arc::clone(&gate));
            lanes.submit(move |py| {
                py.detach(|| {
                    report.send(std::thread::current().id()).unwrap();
                    gate.lock().recv().unwrap();
                });
            })
        };
        let mut threads = HashSet::new();
        for _ in 0..2 {
            submit().unwrap();
            threads.insert(fixture.py.detach(|| reports.recv_timeout(PATIENCE).unwrap()));
        }
        assert_eq!(threads.len(), 2);
        submit().unwrap();
        assert_eq!(submit(), Err(LanesFull));
        for _ in 0..3 {
            open.send(()).unwrap();
        }
        fixture.py.detach(|| reports.recv_timeout(PATIENCE).unwrap());
        // Idle means that the calls are over, also for a reactor task that waits.
        let future = fixture.future();
        let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
        let idle = async move {
            runtime.idle().await;
            runtime.push(resolve(done));
        };
        fixture.runtime.reactor().spawn(idle).detach();
        fixture.wait(&future).unwrap();
    });
}
