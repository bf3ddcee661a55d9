//! The exchange without a server: random interleavings of what the application, the connection and the client do, against
//! a model that knows only what was sent.

mod fed;
mod threads;
mod world;

use std::sync::Arc;

use http::{Method, StatusCode};
use narthex_pyrt::{Runtime, RuntimeOptions, Wait as _};
use narthex_reactor::Reactor;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use pyo3::prelude::*;

use self::world::World;
use crate::send::Drained;

/// The largest piece of a body here; some of them fill the buffer.
const LARGEST: usize = 100_000;

#[derive(Clone, Debug)]
enum Step {
    /// The application sends.
    Start(StatusCode, Option<u64>),
    Piece(usize, bool),
    /// The application receives.
    Receive,
    /// Its call ends.
    Return,
    Cancelled,
    /// The client sends a part of the request's body.
    Upload(usize),
    /// It ends with nothing more, with trailers, or midway.
    UploadEnds,
    UploadTrailers,
    UploadFails,
    /// The connection asks for the response or for the next of its body.
    Take,
    /// The client leaves: the connection drops the response.
    Leave,
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![4 => Just(StatusCode::OK), 1 => Just(StatusCode::NO_CONTENT)];
    let length = prop::option::weighted(0.4, prop_oneof![Just(0), Just(7), Just(14)]);
    let size = prop_oneof![2 => Just(0), 8 => Just(7), 2 => Just(LARGEST)];
    prop_oneof![
        4 => (status, length).prop_map(|(status, length)| Step::Start(status, length)),
        8 => (size, prop::bool::weighted(0.8)).prop_map(|(size, more)| Step::Piece(size, more)),
        5 => Just(Step::Receive),
        1 => Just(Step::Return),
        1 => Just(Step::Cancelled),
        3 => prop_oneof![1 => Just(0), 4 => 1..LARGEST].prop_map(Step::Upload),
        2 => prop_oneof![Just(Step::UploadEnds), Just(Step::UploadTrailers), Just(Step::UploadFails)],
        8 => Just(Step::Take),
        1 => Just(Step::Leave),
    ]
}

fn with_runtime(body: impl FnOnce(Python<'_>, &Arc<Runtime>)) {
    Python::initialize();
    narthex_pyrt::attach(|py| {
        let event_loop = py.import("asyncio").unwrap().call_method0("new_event_loop").unwrap();
        let runtime = Runtime::new(&event_loop, Reactor::new().unwrap(), RuntimeOptions::default()).unwrap();
        body(py, &runtime);
        event_loop.call_method0("close").unwrap();
    })
    .expect("the interpreter is up");
}

fn check(method: Method, steps: &[Step]) {
    with_runtime(|py, runtime| run(World::new(py, runtime, method, None), steps));
}

fn run(mut world: World<'_>, steps: &[Step]) {
    for step in steps {
        world.take_step(step);
    }
    world.check_response();
}

#[test]
fn every_interleaving_keeps_the_promises() {
    with_runtime(|py, runtime| {
        let method = prop_oneof![5 => Just(Method::GET), 1 => Just(Method::HEAD)];
        let max_body = prop::option::weighted(0.3, 0..LARGEST as u64);
        let steps = prop::collection::vec(step(), 0..40);
        TestRunner::new(Config { cases: 800, failure_persistence: None, ..Config::default() })
            .run(&(method, max_body, steps), |(method, max_body, steps)| {
                run(World::new(py, runtime, method, max_body), &steps);
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn a_piece_wakes_whom_waits_for_the_response_and_then_for_its_body() {
    let start = Step::Start(StatusCode::OK, None);
    check(
        Method::GET,
        &[
            Step::Take,
            start,
            Step::Piece(7, true),
            Step::Take,
            Step::Take,
            Step::Take,
            Step::Piece(0, false),
            Step::Take,
        ],
    );
}

#[test]
fn a_declared_length_that_is_reached_may_be_ended_after_the_body_was_dropped() {
    let start = Step::Start(StatusCode::OK, Some(7));
    let steps = [
        start,
        Step::Piece(7, true),
        Step::Take,
        Step::Take,
        Step::Leave,
        Step::Receive,
        Step::Piece(0, false),
        Step::Receive,
    ];
    check(Method::GET, &steps);
}

#[test]
fn a_body_that_was_dropped_before_its_declared_length_is_a_departure() {
    let start = Step::Start(StatusCode::OK, Some(14));
    check(
        Method::GET,
        &[
            start,
            Step::Piece(7, true),
            Step::Take,
            Step::Take,
            Step::Leave,
            Step::Receive,
            Step::Piece(7, false),
        ],
    );
}

#[test]
fn a_sender_waits_from_the_high_water_to_the_low() {
    with_runtime(|py, runtime| {
        let mut world = World::new(py, runtime, Method::GET, None);
        let drained =
            |world: &World<'_>| (Drained { exchange: Arc::clone(&world.exchange) }).poll(py, None).is_some();
        world.take_step(&Step::Start(StatusCode::OK, None));
        for waits in [false, false, true] {
            world.take_step(&Step::Piece(LARGEST, true));
            assert_eq!(world.waits, waits);
        }
        // The head, one piece, and the second that leaves little enough.
        for goes_on in [false, false, true] {
            assert!(!drained(&world));
            world.take_step(&Step::Take);
            assert_eq!(drained(&world), goes_on);
        }
    });
}

#[test]
fn a_panic_during_the_call_is_a_500_or_cuts_what_has_begun() {
    with_runtime(|py, runtime| {
        for begun in [false, true] {
            let mut world = World::new(py, runtime, Method::GET, None);
            if begun {
                world.take_step(&Step::Start(StatusCode::OK, None));
                world.take_step(&Step::Piece(7, true));
            }
            let unfinished = crate::job::Unfinished(Arc::clone(&world.exchange));
            let call = std::panic::AssertUnwindSafe(move || {
                let _unfinished = unfinished;
                panic!("a bug, on purpose");
            });
            assert!(std::panic::catch_unwind(call).is_err());
            world.failed(StatusCode::INTERNAL_SERVER_ERROR);
            world.check_response();
        }
    });
}
