//! The exchange between two threads: one polls as the connection, as it does when the standby has it, while the application
//! sends and receives on the event loop's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body::{Body as _, Frame};
use narthex_pyrt::{Job, Runtime};
use narthex_wire::Body;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use pyo3::prelude::*;
use tower_service::Service as _;

use super::fed::Fed;
use super::{LARGEST, with_runtime};
use crate::{App, AppOptions, AppService};

/// Fails a test that would otherwise wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
struct Plan {
    /// The sizes of what the application sends; `None` where it receives.
    acts: Vec<Option<usize>>,
    completes: bool,
    /// A second task of the application receives.
    listens: bool,
    /// The sizes of the parts of the request's body, one of which is sent before each poll.
    uploads: Vec<usize>,
    upload_fails: bool,
    /// After how many polls the client leaves.
    leaves: Option<usize>,
    /// Whether the connection's thread makes room for the other before each poll, over and over.
    yields: Vec<bool>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let size = prop_oneof![1 => Just(0), 3 => Just(7), 3 => Just(LARGEST)];
    let acts = prop::collection::vec(prop::option::weighted(0.8, size.clone()), 0..16);
    let uploads = prop::collection::vec(size, 0..8);
    let yields = prop::collection::vec(any::<bool>(), 1..8);
    let leaves = prop::option::weighted(0.3, 0..24_usize);
    let often = prop::bool::weighted(0.8);
    (acts, often, any::<bool>(), uploads, prop::bool::weighted(0.2), leaves, yields).prop_map(
        |(acts, completes, listens, uploads, upload_fails, leaves, yields)| Plan {
            acts,
            completes,
            listens,
            uploads,
            upload_fails,
            leaves,
            yields,
        },
    )
}

impl Plan {
    fn response(&self) -> Vec<u8> {
        numbered(self.acts.iter().map(|act| act.unwrap_or(0)))
    }

    fn upload(&self) -> Vec<u8> {
        numbered(self.uploads.iter().copied())
    }
}

/// Pieces of these sizes, each filled with its number.
fn numbered(sizes: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut whole = Vec::new();
    for (number, size) in sizes.enumerate() {
        whole.resize(whole.len() + size, number.to_le_bytes()[0]);
    }
    whole
}

/// What the client got.
#[derive(Debug, Default)]
struct Got {
    status: Option<StatusCode>,
    body: Vec<u8>,
    /// The body's end, and whether it was a clean one.
    clean: Option<bool>,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The connection's thread.
struct Client<'a> {
    plan: &'a Plan,
    feed: Fed,
    polls: usize,
    waker: Waker,
}

impl Client<'_> {
    fn converse(mut self, mut service: AppService) -> Got {
        let request = Request::post("/").body(Body::new(self.feed.clone())).unwrap();
        let mut got = Got::default();
        let mut response = service.call(request);
        let Some(response) = self.wait(|cx| Pin::new(&mut response).poll(cx)) else { return got };
        let response = response.unwrap();
        got.status = Some(response.status());
        let mut body = response.into_body();
        loop {
            match self.wait(|cx| Pin::new(&mut body).poll_frame(cx)) {
                Some(Some(Ok(frame))) => got.body.extend_from_slice(&frame.into_data().unwrap()),
                Some(end) => {
                    got.clean = Some(end.is_none());
                    return got;
                }
                None => return got,
            }
        }
    }

    /// What `poll` waits for; `None` if the client leaves meanwhile.
    fn wait<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        loop {
            if self.plan.leaves == Some(self.polls) {
                return None;
            }
            if self.plan.yields[self.polls % self.plan.yields.len()] {
                std::thread::yield_now();
            }
            let uploads_more = self.upload();
            self.polls += 1;
            match poll(&mut Context::from_waker(&self.waker)) {
                Poll::Ready(value) => return Some(value),
                // A client that leaves does so while nothing happens as well.
                Poll::Pending if uploads_more || self.plan.leaves.is_some() => std::thread::yield_now(),
                Poll::Pending => {
                    let asleep = Instant::now();
                    std::thread::park_timeout(PATIENCE);
                    assert!(asleep.elapsed() < PATIENCE, "nothing comes, after {} polls", self.polls);
                }
            }
        }
    }

    /// Sends one more part of the request's body; says whether there is more.
    fn upload(&self) -> bool {
        match self.plan.uploads.get(self.polls) {
            Some(size) => self.feed.put(vec![self.polls.to_le_bytes()[0]; *size]),
            None if self.plan.upload_fails => self.feed.end(Some(Err("the upload broke off"))),
            None => self.feed.end(Some(Ok(Frame::trailers(http::HeaderMap::new())))),
        }
        !self.feed.has_ended()
    }
}

/// Tells the event loop that the connection's thread is done.
struct Done(Py<PyAny>);

impl Job for Done {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        self.0.call_method1(py, "set_result", (py.None(),)).unwrap();
    }
}

fn run(py: Python<'_>, runtime: &Arc<Runtime>, planned: &Bound<'_, PyAny>, plan: &Plan) {
    let acts = plan.acts.clone();
    let app = planned.call1((acts, plan.completes, plan.listens)).unwrap();
    let service = AppService::new(App::new(Arc::clone(runtime), &app, AppOptions::default()).unwrap());
    let done = runtime.create_future(py).unwrap();
    let told = Done(done.clone().unbind());
    let got = std::thread::scope(|threads| {
        let client = threads.spawn(|| {
            let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
            let got = Client { plan, feed: Fed::default(), polls: 0, waker }.converse(service);
            runtime.push(told);
            got
        });
        let limit = (&done, 2 * PATIENCE.as_secs());
        let limited = py.import("asyncio").unwrap().call_method1("wait_for", limit).unwrap();
        let ran = runtime.event_loop(py).call_method1("run_until_complete", (limited,));
        let got = py.detach(|| client.join());
        ran.unwrap();
        got.unwrap()
    });
    settle(py, runtime);
    check(plan, &got, &app);
}

/// Waits until the application's call has ended, which it must.
fn settle(py: Python<'_>, runtime: &Arc<Runtime>) {
    let end = Instant::now() + PATIENCE;
    while runtime.requests() > 0 {
        assert!(Instant::now() < end, "the application was not told that the exchange is over");
        let turn = py.import("asyncio").unwrap().call_method1("sleep", (0,)).unwrap();
        runtime.event_loop(py).call_method1("run_until_complete", (turn,)).unwrap();
    }
}

fn check(plan: &Plan, got: &Got, app: &Bound<'_, PyAny>) {
    let noted = |name| app.getattr(name).unwrap().extract::<bool>().unwrap();
    let received: Vec<u8> = app.getattr("got").unwrap().extract().unwrap();
    assert!(plan.upload().starts_with(&received), "the application got what was not uploaded");
    assert!(!noted("got_all") || (received == plan.upload() && !plan.upload_fails), "an end before the end");
    let sent = plan.response();
    let stays = plan.leaves.is_none();
    match (got.status, got.clean) {
        (Some(StatusCode::OK), Some(true)) => {
            assert!(plan.completes && got.body == sent, "not the whole of it");
        }
        (Some(StatusCode::OK), Some(false)) => {
            assert!(!plan.completes || plan.upload_fails, "cut for no reason");
            assert!(sent.starts_with(&got.body));
        }
        (Some(StatusCode::OK), None) => assert!(!stays && sent.starts_with(&got.body)),
        (Some(StatusCode::INTERNAL_SERVER_ERROR), _) => assert!(!plan.completes),
        (Some(StatusCode::BAD_REQUEST), _) => assert!(plan.upload_fails),
        (None, None) => assert!(!stays),
        other => panic!("{other:?}"),
    }
    if stays && !plan.upload_fails {
        assert!(!noted("refused"), "the client had not left");
    }
}

#[test]
fn a_thread_that_polls_while_python_sends_keeps_the_promises() {
    with_runtime(|py, runtime| {
        runtime.start(py).unwrap();
        let source = std::ffi::CString::new(include_str!("app.py")).unwrap();
        let module = PyModule::from_code(py, &source, c"app.py", c"planned").unwrap();
        let planned = module.getattr("Planned").unwrap();
        // Which thread is when where differs from run to run: there is nothing to shrink.
        let config =
            Config { cases: 200, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
        TestRunner::new(config)
            .run(&plan(), |plan| {
                run(py, runtime, &planned, &plan);
                Ok(())
            })
            .unwrap();
        runtime.stop(py);
    });
}
