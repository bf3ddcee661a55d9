//! Tasks, wakes from every side, the budget, panics, and the end.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use narthex_reactor::{Budget, Turn};

use crate::outer::{Outer, output};

/// A task that hands out its waker and ends when told to.
#[derive(Clone, Default)]
struct Gate(Arc<(AtomicBool, Mutex<Option<Waker>>)>);

impl Gate {
    async fn pass(self) {
        poll_fn(|context| {
            *self.0.1.lock().unwrap() = Some(context.waker().clone());
            if self.0.0.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn open(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        let waker = self.0.1.lock().unwrap().take();
        waker.expect("the task waits").wake();
    }
}

#[test]
fn a_new_reactor_is_silent() {
    let outer = Outer::new();
    assert!(!outer.readable());
    assert_eq!(outer.turn(), Turn::Idle);
    assert!(!outer.readable());
}

#[test]
fn a_spawn_makes_it_readable_and_its_turn_silent() {
    let outer = Outer::new();
    let task = outer.reactor.spawn(async { 7 });
    assert_eq!(outer.reactor.runnable(), 1);
    assert!(outer.readable());
    assert_eq!(outer.turn(), Turn::Idle);
    assert_eq!(outer.reactor.runnable(), 0);
    assert!(!outer.readable());
    assert_eq!(output(task), 7);
}

#[test]
fn a_wake_from_another_thread_reaches_an_idle_loop() {
    let outer = Outer::new();
    let gate = Gate::default();
    let task = outer.reactor.spawn(gate.clone().pass());
    outer.settle();
    let waker = thread::spawn(move || gate.open());
    outer.run_until(|| task.is_finished());
    waker.join().unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot watch the descriptor")]
fn wakes_while_attended_are_told_when_the_promise_ends() {
    let outer = Outer::new();
    let gate = Gate::default();
    let task = outer.reactor.spawn(gate.clone().pass());
    outer.settle();
    let attending = outer.reactor.attend();
    let inner = outer.reactor.attend();
    thread::spawn(move || gate.open()).join().unwrap();
    assert_eq!(outer.reactor.runnable(), 1);
    assert!(!outer.readable(), "whoever attends turns anyway");
    drop(inner);
    assert!(!outer.readable(), "one promise is left");
    drop(attending);
    assert!(outer.readable());
    outer.run_until(|| task.is_finished());
}

#[test]
fn a_promise_that_is_kept_needs_no_notification() {
    let outer = Outer::new();
    let gate = Gate::default();
    let task = outer.reactor.spawn(gate.clone().pass());
    outer.settle();
    let attending = outer.reactor.attend();
    gate.open();
    assert_eq!(outer.reactor.driver().flush(Budget::default()), Turn::Idle);
    drop(attending);
    assert!(task.is_finished());
    assert!(!outer.readable());
}

#[test]
fn a_used_budget_leaves_it_readable() {
    let outer = Outer::new();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let ran = Arc::clone(&ran);
        outer.reactor.spawn(async move { ran.fetch_add(1, Ordering::SeqCst) }).detach();
    }
    let budget = Budget { tasks: 4, time: Duration::MAX };
    assert_eq!(outer.reactor.driver().turn(budget), Turn::Spent);
    assert_eq!((ran.load(Ordering::SeqCst), outer.reactor.runnable()), (4, 6));
    assert!(outer.readable());
    {
        let _attending = outer.reactor.attend();
        assert_eq!(outer.reactor.driver().turn(budget), Turn::Spent);
    }
    assert!(outer.readable(), "also after a turn under a promise that was not kept");
    assert_eq!(outer.reactor.driver().turn(budget), Turn::Idle);
    assert_eq!((ran.load(Ordering::SeqCst), outer.reactor.runnable()), (10, 0));
    outer.settle();
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no timerfd")]
fn time_is_a_budget_too_and_a_task_that_wakes_itself_starves_nobody() {
    let outer = Outer::new();
    let forever = outer.reactor.spawn(poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    let budget = Budget { tasks: usize::MAX, time: Duration::from_millis(1) };
    assert_eq!(outer.reactor.driver().turn(budget), Turn::Spent);
    assert!(outer.readable());
    // Another task, and a timer, get on although the first is always runnable.
    let sleep = outer.reactor.sleep(Duration::from_millis(5));
    outer.block_on(sleep);
    drop(forever);
    outer.settle();
}

#[test]
fn order_is_first_in_first_out_across_budgets() {
    let outer = Outer::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for number in 0..20 {
        let seen = Arc::clone(&seen);
        outer.reactor.spawn(async move { seen.lock().unwrap().push(number) }).detach();
    }
    while outer.reactor.driver().turn(Budget { tasks: 3, time: Duration::MAX }) == Turn::Spent {}
    assert_eq!(*seen.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[test]
fn what_is_woken_meanwhile_comes_after_what_a_budget_left() {
    let outer = Outer::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for number in 0..4 {
        let (seen, reactor) = (Arc::clone(&seen), outer.reactor.clone());
        let first = async move {
            seen.lock().unwrap().push(number);
            reactor.spawn(async move { seen.lock().unwrap().push(number + 4) }).detach();
        };
        outer.reactor.spawn(first).detach();
    }
    while outer.reactor.driver().turn(Budget { tasks: 1, time: Duration::MAX }) == Turn::Spent {}
    assert_eq!(*seen.lock().unwrap(), (0..8).collect::<Vec<_>>());
}

#[test]
fn a_panic_ends_its_task_alone() {
    let outer = Outer::new();
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = OnDrop(Arc::clone(&dropped));
    let first = outer.reactor.spawn(async { 1 });
    let bad = outer.reactor.spawn(async move {
        let _guard = guard;
        panic!("on purpose");
    });
    let last = outer.reactor.spawn(async { 3 });
    assert_eq!(outer.turn(), Turn::Idle);
    assert_eq!((output(first), output(last)), (1, 3));
    assert!(bad.is_finished());
    assert!(dropped.load(Ordering::SeqCst), "its future is dropped");
    assert_eq!(outer.block_on(async { 4 }), 4);
    outer.settle();
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes minutes for the backtrace of a panic within a panic")]
fn a_panic_in_a_destructor_ends_its_task_alone() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let outer = Outer::new();
    let returns = outer.reactor.spawn(async {
        let _bad = Bad;
    });
    let bad = Bad;
    let panics = outer.reactor.spawn(poll_fn(move |_| -> Poll<()> {
        let _held = &bad;
        panic!("on purpose, and then once more");
    }));
    let cancelled = outer.reactor.spawn(async {
        let _bad = Bad;
        pending::<()>().await;
    });
    let closed = outer.reactor.spawn(async {
        let _bad = Bad;
        pending::<()>().await;
    });
    outer.settle();
    assert!(returns.is_finished() && panics.is_finished() && !closed.is_finished());
    drop(cancelled);
    outer.settle();
    assert_eq!(outer.block_on(async { 4 }), 4);
    outer.reactor.close();
    assert!(closed.is_finished());
}

#[test]
fn dropping_a_task_cancels_it() {
    let outer = Outer::new();
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = OnDrop(Arc::clone(&dropped));
    let task = outer.reactor.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    outer.settle();
    assert!(!dropped.load(Ordering::SeqCst));
    drop(task);
    outer.settle();
    assert!(dropped.load(Ordering::SeqCst));
}

#[test]
fn close_drops_what_waits_and_what_is_runnable_and_refuses_more() {
    let outer = Outer::new();
    let flags: Vec<_> = (0..3).map(|_| Arc::new(AtomicBool::new(false))).collect();
    let guards: Vec<_> = flags.iter().map(|flag| OnDrop(Arc::clone(flag))).collect();
    let mut guards = guards.into_iter();
    let (waits, sleeps, late) = (guards.next().unwrap(), guards.next().unwrap(), guards.next().unwrap());
    outer
        .reactor
        .spawn(async move {
            let _guard = waits;
            pending::<()>().await;
        })
        .detach();
    let sleep = outer.reactor.sleep(Duration::from_mins(10));
    outer
        .reactor
        .spawn(async move {
            let _guard = sleeps;
            sleep.await;
        })
        .detach();
    outer.settle();
    outer.reactor.spawn(pending::<()>()).detach();
    outer.reactor.close();
    assert!(flags[0].load(Ordering::SeqCst) && flags[1].load(Ordering::SeqCst));
    assert_eq!(outer.reactor.runnable(), 0);
    let refused = outer.reactor.spawn(async move { drop(late) });
    assert!(refused.is_finished() && flags[2].load(Ordering::SeqCst));
    outer.settle();
}

#[test]
fn close_waits_for_a_wake_that_is_on_its_way() {
    let rounds = if cfg!(miri) { 20 } else { 5000 };
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let wakers = Arc::new(Mutex::new(None::<Waker>));
    let other = thread::spawn({
        let (barrier, wakers) = (Arc::clone(&barrier), Arc::clone(&wakers));
        move || {
            for _ in 0..rounds {
                barrier.wait();
                let waker = wakers.lock().unwrap().take().expect("the task waits");
                waker.wake();
                barrier.wait();
            }
        }
    });
    for round in 0..rounds {
        let outer = Outer::new();
        let dropped = Arc::new(AtomicBool::new(false));
        let (guard, place) = (OnDrop(Arc::clone(&dropped)), Arc::clone(&wakers));
        let waiting = poll_fn(move |context| {
            let _held = &guard;
            *place.lock().unwrap() = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        outer.reactor.spawn(waiting).detach();
        outer.settle();
        barrier.wait();
        for _ in 0..round % 97 {
            std::hint::spin_loop();
        }
        outer.reactor.close();
        let ended = dropped.load(Ordering::SeqCst);
        barrier.wait();
        assert!(ended && outer.reactor.runnable() == 0, "round {round}: a task outlived close");
    }
    other.join().unwrap();
}

#[test]
fn a_task_may_spawn_and_drop_tasks() {
    let outer = Outer::new();
    let reactor = outer.reactor.clone();
    let sum = outer.block_on(async move {
        let tasks: Vec<_> = (0..100).map(|number| reactor.spawn(async move { number })).collect();
        drop(reactor.spawn(pending::<()>()));
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    assert_eq!(sum, 4950);
}

#[test]
fn only_one_thread_drives() {
    let outer = Outer::new();
    let driver = outer.reactor.driver();
    assert!(outer.reactor.try_driver().is_none());
    assert!(!outer.reactor.give_back_requested());
    drop(driver);
    assert!(outer.reactor.try_driver().is_some());
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
