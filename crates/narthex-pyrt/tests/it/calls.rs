//! Coroutines as tasks: how they end is told once, whatever the way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use narthex_pyrt::{Outcome, Role, RuntimeOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::{Fixture, Run, resolve, with_runtime, with_runtime_in, with_runtime_on};

/// Runs `source`'s coroutine function `call` through the runtime from a job and says how it ended.
fn outcome(fixture: &Fixture<'_>, source: &str, cancel: bool) -> String {
    let names = fixture.names();
    fixture.py.run(&std::ffi::CString::new(source).unwrap(), Some(&names), None).unwrap();
    let call = names.get_item("call").unwrap().unwrap().unbind();
    let (told, end) = mpsc::channel();
    let future = fixture.future();
    let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
    fixture.runtime.push(Run(move |py: Python<'_>| {
        let coroutine = call.bind(py).call0().unwrap();
        let handle = runtime.call(Role::Request, &coroutine, {
            let runtime = Arc::clone(&runtime);
            move |py, outcome| {
                let text = match outcome {
                    Outcome::Returned(value) => format!("returned {value}"),
                    Outcome::Raised(error) => format!("raised {}", narthex_pyrt::exception_text(py, &error)),
                    Outcome::Cancelled => "cancelled".to_owned(),
                };
                told.send(text).unwrap();
                runtime.push(resolve(done));
            }
        });
        if cancel {
            handle.expect("still running").cancel_soon(&runtime);
        }
    }));
    fixture.wait(&future).unwrap();
    assert_eq!(fixture.runtime.requests(), 0);
    end.try_recv().unwrap()
}

fn check(source: &str, cancel: bool, expected: &str) {
    with_runtime(RuntimeOptions::default(), |fixture| assert_eq!(outcome(fixture, source, cancel), expected));
}

#[test]
fn one_that_never_waits() {
    check("async def call(): return 5", false, "returned 5");
}

#[test]
fn one_that_waits() {
    check(
        "import asyncio\nasync def call():\n    await asyncio.sleep(0.001)\n    return 6",
        false,
        "returned 6",
    );
}

#[test]
fn one_that_raises() {
    check("async def call(): raise ValueError('no')", false, "raised ValueError: no");
}

#[test]
fn one_that_is_cancelled() {
    check("import asyncio\nasync def call(): await asyncio.sleep(60)", true, "cancelled");
}

#[test]
fn something_that_is_no_coroutine() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        assert!(outcome(fixture, "def call(): return 5", false).starts_with("raised TypeError"));
    });
}

/// Whether a coroutine that waits for nothing has run to its end when `call` returns, which is an eager start.
fn ends_at_once(fixture: &Fixture<'_>) -> bool {
    let names = fixture.names();
    fixture.py.run(c"async def call(): return 5", Some(&names), None).unwrap();
    let call = names.get_item("call").unwrap().unwrap().unbind();
    let future = fixture.future();
    let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
    let (tell, told) = mpsc::channel();
    fixture.runtime.push(Run(move |py: Python<'_>| {
        let ended = Arc::new(AtomicBool::new(false));
        let handle = runtime.call(Role::Request, &call.bind(py).call0().unwrap(), {
            let (runtime, ended) = (Arc::clone(&runtime), Arc::clone(&ended));
            move |_, _| {
                ended.store(true, Ordering::SeqCst);
                runtime.push(resolve(done));
            }
        });
        let ended = ended.load(Ordering::SeqCst);
        assert_eq!(handle.is_none(), ended, "there is a handle of what goes on, and of nothing else");
        tell.send(ended).unwrap();
    }));
    fixture.wait(&future).unwrap();
    told.try_recv().unwrap()
}

#[test]
fn it_starts_at_once_where_the_interpreter_can() {
    for module in ["asyncio", "uvloop"] {
        with_runtime_on(module, RuntimeOptions::default(), |fixture| {
            assert_eq!(ends_at_once(fixture), fixture.py.version_info() >= (3, 12), "on {module}");
        });
    }
}

#[test]
fn a_task_factory_of_the_users_starts_it_in_its_own_way() {
    Python::initialize();
    narthex_pyrt::attach(|py| {
        let event_loop = py.import("asyncio").unwrap().call_method0("new_event_loop").unwrap();
        let names = PyDict::new(py);
        let factory = c"import asyncio
made = []
def factory(loop, coroutine, **options):
    made.append(coroutine.__name__)
    return asyncio.Task(coroutine, loop=loop, **options)";
        py.run(factory, Some(&names), None).unwrap();
        let factory = names.get_item("factory").unwrap().unwrap();
        event_loop.call_method1("set_task_factory", (factory,)).unwrap();
        with_runtime_in(event_loop, RuntimeOptions::default(), |fixture| assert!(!ends_at_once(fixture)));
        let made: Vec<String> = names.get_item("made").unwrap().unwrap().extract().unwrap();
        assert_eq!(made.iter().filter(|name| *name == "call").count(), 1, "{made:?}");
    })
    .expect("the interpreter is up");
}

#[test]
fn context_variables_are_each_calls_own() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        let source = "
import contextvars
var = contextvars.ContextVar('var', default=0)
async def call():
    before = var.get()
    var.set(1)
    return before";
        let names = fixture.names();
        fixture.py.run(&std::ffi::CString::new(source).unwrap(), Some(&names), None).unwrap();
        for _ in 0..3 {
            let call = names.get_item("call").unwrap().unwrap().unbind();
            let future = fixture.future();
            let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
            fixture.runtime.push(Run(move |py: Python<'_>| {
                let coroutine = call.bind(py).call0().unwrap();
                runtime.call(Role::Request, &coroutine, move |py, outcome| match outcome {
                    Outcome::Returned(value) => drop(done.call_method1(py, "set_result", (value,)).unwrap()),
                    other => panic!("{other:?}"),
                });
            }));
            assert_eq!(fixture.wait(&future).unwrap().extract::<i64>().unwrap(), 0);
        }
    });
}

#[test]
fn idle_waits_for_requests_but_not_for_residents() {
    with_runtime(RuntimeOptions::default(), |fixture| {
        let names = fixture.names();
        let source = "
import asyncio
gate = asyncio.Event()
async def resident(): await asyncio.sleep(3600)
async def request(): await gate.wait()
def open(): gate.set()";
        fixture.py.run(&std::ffi::CString::new(source).unwrap(), Some(&names), None).unwrap();
        let get = |name: &str| names.get_item(name).unwrap().unwrap().unbind();
        let (resident, request, open) = (get("resident"), get("request"), get("open"));
        let future = fixture.future();
        let (runtime, done) = (Arc::clone(&fixture.runtime), future.clone().unbind());
        fixture.runtime.push(Run(move |py: Python<'_>| {
            runtime.call(Role::Resident, &resident.bind(py).call0().unwrap(), |_, _| ());
            runtime.call(Role::Request, &request.bind(py).call0().unwrap(), |_, _| ());
            let waiting = Arc::clone(&runtime);
            let idle = async move {
                waiting.idle().await;
                assert_eq!(waiting.requests(), 0);
                waiting.push(resolve(done));
            };
            assert_eq!(runtime.requests(), 1);
            runtime.reactor().spawn(idle).detach();
            runtime.push(Run(move |py: Python<'_>| drop(open.call0(py).unwrap())));
        }));
        fixture.wait(&future).unwrap();
    });
}
