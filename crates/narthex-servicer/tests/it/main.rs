//! The service on a real event loop: the exact form of its responses, and what happens at its limits.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use narthex_pyrt::{Job, Runtime, RuntimeOptions};
use narthex_reactor::{Reactor, Task};
use narthex_servicer::{Hooks, Options, Registry, Servicer};
use narthex_wire::{Body, Code, Status, Trailers, envelope};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};
use tower_service::Service as _;

const SOURCE: &std::ffi::CStr = c"
import asyncio, threading, types

def handler(function, serializer=None):
    return types.SimpleNamespace(request_streaming=False, response_streaming=False, unary_unary=function,
                                 request_deserializer=None, response_serializer=serializer)

async def echo(request, context):
    return request

async def full(request, context):
    await context.send_initial_metadata((('a', 'b'),))
    context.set_trailing_metadata((('c', 'd'),))
    context.set_details('100% gr\\u00fcn')
    return request

async def lost(request, context):
    context.set_trailing_metadata((('c', 'd'),))
    context.set_code(5)
    context.set_details('no ' + request.decode())
    return request

async def early(request, context):
    await context.send_initial_metadata((('a', 'b'),))
    context.set_code(5)
    return request

release = threading.Event()

def block(request, context):
    release.wait(20)
    return request

methods = {'/t.S/' + f.__name__: handler(f) for f in (echo, full, lost, early, block)}
";

/// A servicer of [`SOURCE`] on a loop of its own.
struct Fixture<'py> {
    event_loop: Bound<'py, PyAny>,
    runtime: Arc<Runtime>,
    servicer: Servicer,
    names: Bound<'py, PyDict>,
}

fn with_servicer(options: RuntimeOptions, test: impl FnOnce(&Fixture<'_>)) {
    Python::initialize();
    narthex_pyrt::attach(|py| {
        let event_loop = py.import("asyncio").unwrap().call_method0("new_event_loop").unwrap();
        let runtime = Runtime::new(&event_loop, Reactor::new().unwrap(), options).unwrap();
        runtime.start(py).unwrap();
        let names = PyDict::new(py);
        py.run(SOURCE, Some(&names), None).unwrap();
        let methods = names.get_item("methods").unwrap().unwrap().cast_into::<PyMapping>().unwrap();
        let registry = Arc::new(Registry::new(py, &methods, Vec::new(), &[]).unwrap());
        let options = Options { max_message: 100, ..Options::default() };
        let servicer = Servicer::new(Arc::clone(&runtime), registry, options, Hooks::default());
        let fixture = Fixture { event_loop, runtime, servicer, names };
        test(&fixture);
        fixture.runtime.stop(py);
        fixture.event_loop.call_method0("close").unwrap();
    })
    .unwrap();
}

/// A response whose body has been read: its head, its data and its trailers.
struct Read {
    head: Response<()>,
    data: Bytes,
    trailers: Option<HeaderMap>,
}

impl Fixture<'_> {
    /// Starts a call.
    fn call(&self, method: &str, message: &[u8]) -> Task<Read> {
        let body = Body::full(envelope::encode(message));
        let request = Request::post(format!("/t.S/{method}")).body(body).unwrap();
        let response = self.servicer.clone().call(request);
        self.runtime.reactor().spawn(async move {
            let (head, body) = response.await.unwrap().into_parts();
            let body = body.collect(usize::MAX).await.unwrap();
            Read {
                head: Response::from_parts(head, ()),
                data: body.data,
                trailers: body.trailers.map(Trailers::into_map),
            }
        })
    }

    /// Runs the loop until the calls have their responses.
    fn wait<const N: usize>(&self, calls: [Task<Read>; N]) -> [Read; N] {
        let future = self.runtime.create_future(self.event_loop.py()).unwrap();
        let (results, arrived) = std::sync::mpsc::channel();
        let (runtime, waited) = (Arc::clone(&self.runtime), future.clone().unbind());
        let all = async move {
            for call in calls {
                results.send(call.await).unwrap();
            }
            runtime.push(Resolve(waited));
        };
        self.runtime.reactor().spawn(all).detach();
        self.event_loop.call_method1("run_until_complete", (future,)).unwrap();
        std::array::from_fn(|_| arrived.recv().unwrap())
    }

    fn answer(&self, method: &str, message: &[u8]) -> Read {
        let [read] = self.wait([self.call(method, message)]);
        read
    }
}

struct Resolve(Py<PyAny>);

impl Job for Resolve {
    fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
        self.0.call_method1(py, "set_result", (py.None(),)).unwrap();
    }
}

/// The headers as text, in the order of their names.
fn text(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut pairs: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn a_message_goes_between_head_and_trailers() {
    with_servicer(RuntimeOptions::default(), |fixture| {
        let read = fixture.answer("echo", b"hello");
        assert_eq!(read.head.status(), StatusCode::OK);
        assert_eq!(text(read.head.headers()), [("content-type", "application/grpc")]);
        assert_eq!(read.data, envelope::encode(b"hello"));
        assert_eq!(text(&read.trailers.unwrap()), [("grpc-status", "0")]);
    });
}

#[test]
fn metadata_and_details_go_where_they_belong() {
    with_servicer(RuntimeOptions::default(), |fixture| {
        let read = fixture.answer("full", b"");
        assert_eq!(text(read.head.headers()), [("a", "b"), ("content-type", "application/grpc")]);
        assert_eq!(read.data, envelope::encode(b""));
        let expect = [("c", "d"), ("grpc-message", "100%25 gr%C3%BCn"), ("grpc-status", "0")];
        assert_eq!(text(&read.trailers.unwrap()), expect);
    });
}

#[test]
fn a_status_without_message_is_one_head() {
    with_servicer(RuntimeOptions::default(), |fixture| {
        let read = fixture.answer("lost", b"book");
        let expect = [
            ("c", "d"),
            ("content-type", "application/grpc"),
            ("grpc-message", "no book"),
            ("grpc-status", "5"),
        ];
        assert_eq!(text(read.head.headers()), expect);
        assert!(read.data.is_empty() && read.trailers.is_none());
    });
}

#[test]
fn a_status_after_initial_metadata_is_in_trailers() {
    with_servicer(RuntimeOptions::default(), |fixture| {
        let read = fixture.answer("early", b"");
        assert_eq!(text(read.head.headers()), [("a", "b"), ("content-type", "application/grpc")]);
        assert!(read.data.is_empty());
        assert_eq!(text(&read.trailers.unwrap()), [("grpc-status", "5")]);
    });
}

#[test]
fn a_message_above_the_limit_is_refused() {
    with_servicer(RuntimeOptions::default(), |fixture| {
        assert_eq!(fixture.answer("echo", &[0; 100]).data.len(), 105);
        let status = Status::from_trailers(fixture.answer("echo", &[0; 101]).head.headers()).unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted);
    });
}

#[test]
fn calls_beyond_the_lanes_and_their_queue_are_refused() {
    with_servicer(RuntimeOptions { lanes: 1, lane_queue: 1, executor: None }, |fixture| {
        let codes = |reads: &[Read]| -> Vec<Code> {
            let code = |read: &Read| {
                let trailers = read.trailers.as_ref().unwrap_or(read.head.headers());
                Status::from_trailers(trailers).unwrap().code()
            };
            reads.iter().map(code).collect()
        };
        // One runs or waits to; by the fourth the lane and its queue are taken, however far the lane has come.
        let mut calls: Vec<_> = (0..4).map(|_| fixture.call("block", b"")).collect();
        let last = calls.pop().unwrap();
        assert_eq!(codes(&fixture.wait([last])), [Code::ResourceExhausted]);
        fixture.names.get_item("release").unwrap().unwrap().call_method0("set").unwrap();
        let rest = codes(&fixture.wait(<[_; 3]>::try_from(calls).ok().unwrap()));
        assert_eq!(rest[0], Code::Ok);
    });
}

#[test]
fn a_dropped_call_cancels_its_coroutine() {
    with_servicer(RuntimeOptions::default(), |fixture| {
        let code = c"
async def wait(request, context):
    started.set_result(None)
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        seen.append(context.cancelled())
        raise
    finally:
        done.set_result(None)

async def until(future):
    return await asyncio.wait_for(future, 20)
";
        let py = fixture.event_loop.py();
        for event in ["started", "done"] {
            fixture.names.set_item(event, fixture.runtime.create_future(py).unwrap()).unwrap();
        }
        fixture.names.set_item("seen", pyo3::types::PyList::empty(py)).unwrap();
        py.run(code, Some(&fixture.names), None).unwrap();
        let name = |name: &str| fixture.names.get_item(name).unwrap().unwrap();
        let methods = PyDict::new(py);
        methods.set_item("/t.S/wait", name("handler").call1((name("wait"),)).unwrap()).unwrap();
        let registry = Registry::new(py, methods.as_mapping(), Vec::new(), &[]).unwrap();
        let servicer = Servicer::new(
            Arc::clone(&fixture.runtime),
            Arc::new(registry),
            Options::default(),
            Hooks::default(),
        );
        let fixture = Fixture {
            event_loop: fixture.event_loop.clone(),
            runtime: Arc::clone(&fixture.runtime),
            servicer,
            names: fixture.names.clone(),
        };
        let call = fixture.call("wait", b"");
        let wait_for = |event: &str| {
            let limited = name("until").call1((name(event),)).unwrap();
            fixture.event_loop.call_method1("run_until_complete", (limited,)).unwrap();
        };
        wait_for("started");
        drop(call);
        wait_for("done");
        assert!(name("seen").eq([true]).unwrap());
    });
}
