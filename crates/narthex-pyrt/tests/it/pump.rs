//! Jobs reach Python whoever pushes them, and one that fails spares the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use narthex_pyrt::RuntimeOptions;
use pyo3::prelude::*;

use crate::{Run, resolve, with_runtime, with_runtime_on};

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

/// As `nest_asyncio` does it.
const LOOP_INSIDE_THE_LOOP: &std::ffi::CStr = c"
while not future.done():
    loop._run_once()";

/// Has what the event loop reports be counted by `names`.
const REPORTS: &std::ffi::CStr = c"
reports = []
loop.set_exception_handler(lambda loop, report: reports.append(report))";

#[test]
fn an_event_loop_inside_the_event_loop_is_served() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        // The first look is done when this comes: from here on a bell calls the pump, and it is its callback that is entered.
        let first = fixture.future();
        fixture.runtime.push(resolve(first.clone().unbind()));
        fixture.wait(&first).unwrap();
        let (behind, later, outer) = (fixture.future(), fixture.future(), fixture.future());
        let names = fixture.names();
        names.set_item("loop", &fixture.event_loop).unwrap();
        fixture.py.run(REPORTS, Some(&names), None).unwrap();
        let reports = names.get_item("reports").unwrap().unwrap();
        let names = names.unbind();
        let (inside, is_inside) = mpsc::channel();
        for future in [&behind, &later] {
            let (future, names, inside) =
                (future.clone().unbind(), names.clone_ref(fixture.py), inside.clone());
            fixture.runtime.push(Run(move |py: Python<'_>| {
                inside.send(()).unwrap();
                let names = names.bind(py).copy().unwrap();
                names.set_item("future", future).unwrap();
                py.run(LOOP_INSIDE_THE_LOOP, Some(&names), None).unwrap();
            }));
        }
        // Both jobs are in the midst of Python by the time the second thing that they wait for is there.
        fixture.runtime.push(resolve(behind.unbind()));
        let (runtime, done) = (Arc::clone(&fixture.runtime), later.unbind());
        let thread = std::thread::spawn(move || {
            is_inside.recv().unwrap();
            is_inside.recv().unwrap();
            runtime.push(resolve(done));
        });
        fixture.runtime.push(resolve(outer.clone().unbind()));
        fixture.wait(&outer).unwrap();
        thread.join().unwrap();
        assert!(reports.is_empty().unwrap(), "{reports}");
    });
}

/// What an event loop owes to others than the runtime: callbacks, timers and descriptors, each needed for the next.
const OTHERS: &str = "
import asyncio, socket
async def main():
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    with here, there:
        for number in range(20):
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            arrived = loop.create_future()
            loop.add_reader(there, lambda: arrived.done() or arrived.set_result(there.recv(1)))
            here.send(b'x')
            assert await arrived == b'x'
            loop.remove_reader(there)";

const LOOPS: [&str; 2] = ["asyncio", "uvloop"];

#[test]
fn the_loops_others_get_their_turn_under_a_flood_of_jobs() {
    // A job that pushes itself again for ever.
    struct Again;
    impl narthex_pyrt::Job for Again {
        fn run(self: Box<Self>, py: Python<'_>, runtime: &Arc<narthex_pyrt::Runtime>) {
            py.run(c"sum(range(1000))", None, None).unwrap();
            runtime.push(Again);
        }
    }
    for module in LOOPS {
        with_runtime_on(module, RuntimeOptions::default(), |fixture| {
            fixture.runtime.push(Again);
            fixture.run(OTHERS, &fixture.names()).unwrap();
        });
    }
}

#[test]
fn the_loops_others_get_their_turn_under_a_flood_of_rust_tasks() {
    for module in LOOPS {
        with_runtime_on(module, RuntimeOptions::default(), |fixture| {
            let endless = || {
                fixture.runtime.reactor().spawn(std::future::poll_fn(|cx| {
                    // Runnable again before it has ended.
                    cx.waker().wake_by_ref();
                    std::task::Poll::<()>::Pending
                }))
            };
            let flood: Vec<_> = (0..50).map(|_| endless()).collect();
            fixture.run(OTHERS, &fixture.names()).unwrap();
            drop(flood);
        });
    }
}

#[test]
fn the_pump_gets_its_turn_under_a_flood_of_pythons_callbacks() {
    for module in LOOPS {
        with_runtime_on(module, RuntimeOptions::default(), |fixture| {
            let future = fixture.future();
            let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
            let rounds = async move {
                let counter = Arc::<Counter>::default();
                for round in 1..=20 {
                    runtime.reactor().sleep(std::time::Duration::from_millis(1)).await;
                    // Only the pump runs jobs; the standby could do the rest.
                    let told = Arc::clone(&counter);
                    runtime.push(Run(move |_: Python<'_>| told.add()));
                    counter.reach(round).await;
                }
                runtime.push(resolve(done));
            };
            fixture.runtime.reactor().spawn(rounds).detach();
            let names = fixture.names();
            names.set_item("future", &future).unwrap();
            let source = "
import asyncio
async def main():
    loop = asyncio.get_running_loop()
    def again(): future.done() or loop.call_soon(again)
    for _ in range(10): again()
    await future";
            fixture.run(source, &names).unwrap();
        });
    }
}

/// A count that a task can wait for.
#[derive(Default)]
struct Counter {
    count: AtomicUsize,
    waker: parking_lot::Mutex<Option<std::task::Waker>>,
}

impl Counter {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn reach(&self, count: usize) {
        std::future::poll_fn(|cx| {
            *self.waker.lock() = Some(cx.waker().clone());
            if self.count.load(Ordering::SeqCst) >= count {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
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
    for module in LOOPS {
        with_runtime_on(module, RuntimeOptions::default(), |first| {
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
}
