//! Timers: on time, never early, and silent when nobody waits for them any more.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::outer::Outer;

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn it_fires_from_the_descriptor_and_not_early() {
    let outer = Outer::new();
    let start = Instant::now();
    outer.block_on(outer.reactor.sleep(SHORT));
    assert!(start.elapsed() >= SHORT);
    outer.settle();
}

#[test]
fn what_comes_in_time_is_given_and_what_does_not_is_dropped() {
    let outer = Outer::new();
    let reactor = outer.reactor.clone();
    let now = async move { reactor.within(Duration::ZERO, std::future::ready(7)).await };
    assert_eq!(outer.block_on(now), Some(7));
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let never = async move {
        std::future::pending::<()>().await;
        drop(kept);
    };
    let reactor = outer.reactor.clone();
    assert_eq!(outer.block_on(async move { reactor.within(SHORT, never).await }), None);
    assert_eq!(Arc::strong_count(&held), 1);
    outer.settle();
}

#[test]
fn a_past_deadline_is_ready_at_once() {
    let outer = Outer::new();
    outer.block_on(outer.reactor.sleep_until(Instant::now().checked_sub(SHORT).unwrap()));
    outer.block_on(outer.reactor.sleep(Duration::ZERO));
    outer.settle();
}

#[test]
fn a_wait_beyond_the_clock_is_no_overflow() {
    let outer = Outer::new();
    let task = outer.reactor.spawn(outer.reactor.sleep(Duration::MAX));
    outer.settle();
    assert!(!task.is_finished());
}

#[test]
fn an_earlier_deadline_that_comes_later_fires_first() {
    let outer = Outer::new();
    let long = outer.reactor.spawn(outer.reactor.sleep(Duration::from_mins(10)));
    outer.settle();
    outer.block_on(outer.reactor.sleep(SHORT));
    assert!(!long.is_finished());
}

#[test]
fn many_fire_in_their_order() {
    let outer = Outer::new();
    let fired = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..1000_u64)
        .map(|number| {
            let delay = Duration::from_micros(number * 7919 % 50_000);
            let (sleep, fired) = (outer.reactor.sleep(delay), Arc::clone(&fired));
            outer.reactor.spawn(async move {
                sleep.await;
                assert!(start.elapsed() >= delay);
                fired.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    outer.run_until(|| tasks.iter().all(narthex_reactor::Task::is_finished));
    assert_eq!(fired.load(Ordering::SeqCst), 1000);
    outer.settle();
}

#[test]
fn a_cancelled_timer_wakes_nobody_and_the_loop_at_most_once() {
    let outer = Outer::new();
    let sleeping = outer.reactor.spawn(outer.reactor.sleep(SHORT));
    outer.settle();
    drop(sleeping);
    outer.settle();
    let mut turns = 0;
    while outer.wait(SHORT * 2) {
        outer.turn();
        turns += 1;
    }
    assert!(turns <= 1, "the timer was armed once, so it may fire once");
}

#[test]
fn a_reset_to_later_and_to_earlier_is_kept() {
    let outer = Outer::new();
    let start = Instant::now();
    let mut sleep = outer.reactor.sleep(Duration::from_millis(5));
    let mut polls = 0;
    let taken = outer.block_on(poll_fn(move |context| {
        polls += 1;
        if polls == 1 {
            // Pending, or over already where the machine is slow; either way it is the new deadline that counts.
            let _ = Pin::new(&mut sleep).poll(context);
            sleep.reset(start + SHORT * 2);
        }
        Pin::new(&mut sleep).poll(context).map(|()| start.elapsed())
    }));
    assert!(taken >= SHORT * 2);

    // The waiting task is not polled between the reset and the new deadline, and woken nevertheless.
    let sleep = Arc::new(std::sync::Mutex::new(outer.reactor.sleep(Duration::from_mins(10))));
    let task = outer.reactor.spawn({
        let sleep = Arc::clone(&sleep);
        poll_fn(move |context| Pin::new(&mut *sleep.lock().unwrap()).poll(context))
    });
    outer.settle();
    sleep.lock().unwrap().reset(Instant::now() + SHORT);
    outer.run_until(|| task.is_finished());
}

#[test]
fn a_finished_timer_can_be_reset_and_waited_for_again() {
    let outer = Outer::new();
    let mut sleep = outer.reactor.sleep(Duration::ZERO);
    let mut round = 0;
    outer.block_on(poll_fn(move |context| {
        while round < 3 {
            std::task::ready!(Pin::new(&mut sleep).poll(context));
            round += 1;
            let deadline = Instant::now() + Duration::from_millis(2);
            sleep.reset(deadline);
        }
        Poll::Ready(())
    }));
}

#[test]
fn the_waker_of_the_last_poll_counts() {
    let outer = Outer::new();
    let mut sleep = outer.reactor.sleep(Duration::from_millis(300));
    let (sender, receiver) = std::sync::mpsc::channel();
    // Polled in one task, then handed to another.
    outer.block_on(poll_fn(move |context| {
        let mut sleep = std::mem::replace(&mut sleep, placeholder());
        assert!(Pin::new(&mut sleep).poll(context).is_pending());
        sender.send(sleep).unwrap();
        Poll::Ready(())
    }));
    outer.block_on(receiver.recv().unwrap());
}

fn placeholder() -> narthex_reactor::Sleep {
    narthex_reactor::Reactor::new().unwrap().sleep(Duration::ZERO)
}
