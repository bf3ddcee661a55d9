//! Coroutines as asyncio tasks: started eagerly where the interpreter can, their end told to Rust.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::inbox::Job;
use crate::runtime::{Role, Runtime};

/// How a coroutine ended.
#[derive(Debug)]
pub enum Outcome<'py> {
    /// It returned.
    Returned(Bound<'py, PyAny>),
    /// It raised something other than `CancelledError`.
    Raised(PyErr),
    /// It was cancelled.
    Cancelled,
}

impl<'py> Outcome<'py> {
    pub(crate) fn of(task: &Bound<'py, PyAny>) -> Self {
        match task.call_method0(intern!(task.py(), "result")) {
            Ok(value) => Self::Returned(value),
            Err(error) if error.is_instance_of::<CancelledError>(task.py()) => Self::Cancelled,
            Err(error) => Self::Raised(error),
        }
    }
}

/// A coroutine in progress.
pub struct TaskHandle {
    task: Py<PyAny>,
}

impl std::fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskHandle").finish_non_exhaustive()
    }
}

impl TaskHandle {
    /// Asks the task to cancel, as `Task.cancel` does. On the loop's thread.
    pub fn cancel(&self, py: Python<'_>) {
        if let Err(error) = self.task.call_method0(py, intern!(py, "cancel")) {
            crate::log_exception(py, "a task could not be cancelled", &error);
        }
    }

    /// Has the pump cancel the task. Callable from any thread, without the interpreter.
    pub fn cancel_soon(self, runtime: &Runtime) {
        struct Cancel(TaskHandle);
        impl Job for Cancel {
            fn run(self: Box<Self>, py: Python<'_>, _: &Arc<Runtime>) {
                self.0.cancel(py);
            }
        }
        runtime.push(Cancel(self));
    }
}

/// How this interpreter and this loop make tasks; decided once.
pub(crate) struct TaskStarter {
    make: Py<PyAny>,
    kwargs: Option<Py<PyDict>>,
    /// Tasks run at once, to where they first have to wait.
    eager: bool,
}

impl TaskStarter {
    /// A task factory of the user's is honoured; otherwise tasks start eagerly from Python 3.12 on, which saves a turn of
    /// the loop for each request. Before that they have one name, since asyncio would write a number into each.
    pub(crate) fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        let factory = event_loop.call_method0(intern!(py, "get_task_factory"))?;
        if !factory.is_none() {
            let make = event_loop.getattr("create_task")?.unbind();
            return Ok(Self { make, kwargs: None, eager: false });
        }
        let eager = py.version_info() >= (3, 12);
        let kwargs = PyDict::new(py);
        kwargs.set_item("loop", event_loop)?;
        if eager {
            kwargs.set_item("eager_start", true)?;
        } else {
            kwargs.set_item("name", "narthex")?;
        }
        let make = py.import("asyncio")?.getattr("Task")?.unbind();
        Ok(Self { make, kwargs: Some(kwargs.unbind()), eager })
    }

    fn start<'py>(
        &self,
        coroutine: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = coroutine.py();
        let kwargs = match (&self.kwargs, context) {
            (None, None) => return self.make.bind(py).call1((coroutine,)),
            (Some(kwargs), None) => kwargs.bind(py).clone(),
            (kwargs, Some(context)) => {
                let kwargs = match kwargs {
                    Some(kwargs) => kwargs.bind(py).copy()?,
                    None => PyDict::new(py),
                };
                kwargs.set_item(intern!(py, "context"), context)?;
                kwargs
            }
        };
        let make = self.make.bind(py);
        match make.cast::<PyType>() {
            Ok(kind) => start_eagerly(kind, coroutine, &kwargs),
            Err(_) => make.call((coroutine,), Some(&kwargs)),
        }
    }
}

/// `kind(coroutine, **kwargs)` in its two halves, as `type.__call__` does it.
///
/// An exit in an eager start is raised by the second half, and is the task's exception as well. A call of both would lose the
/// task there, and asyncio would tell of an exception that nobody has retrieved, though it is told as the call's end.
#[expect(unsafe_code, reason = "the two halves of a call are slots")]
fn start_eagerly<'py>(
    kind: &Bound<'py, PyType>,
    coroutine: &Bound<'py, PyAny>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = coroutine.py();
    let args = PyTuple::new(py, [coroutine])?;
    let type_object = kind.as_type_ptr();
    // SAFETY: `kind` keeps its type object alive, whose slots do not change once it is ready.
    let slots = unsafe { &*type_object };
    let (Some(new), Some(init)) = (slots.tp_new, slots.tp_init) else { return kind.call(args, Some(kwargs)) };
    // SAFETY: the type is its own, the arguments are a tuple and a dict, and the interpreter is attached.
    let task = unsafe { new(type_object, args.as_ptr(), kwargs.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    let task = unsafe { Bound::from_owned_ptr_or_err(py, task) }?;
    // SAFETY: what `tp_new` of the same type has made, with the same arguments.
    let started = unsafe { init(task.as_ptr(), args.as_ptr(), kwargs.as_ptr()) };
    if started < 0 {
        let error = PyErr::fetch(py);
        // Retrieved; refused by a task that is none, since what was to be run is no coroutine.
        let _ = task.call_method0(intern!(py, "exception"));
        return Err(error);
    }
    Ok(task)
}

impl Runtime {
    /// Runs `coroutine` as a task and tells `done` how it ended; `None` if it ended at once.
    ///
    /// `done` is called exactly once, on the loop's thread, also when no task could be made of the object.
    pub fn call<F>(self: &Arc<Self>, role: Role, coroutine: &Bound<'_, PyAny>, done: F) -> Option<TaskHandle>
    where
        F: FnOnce(Python<'_>, Outcome<'_>) + Send + 'static,
    {
        self.call_in(None, role, coroutine, done)
    }

    /// The same in a context (`contextvars`) that is given, where [`call`](Self::call) has the task make a copy of the
    /// loop's: what an earlier task has set in it is seen by this one.
    pub fn call_in<'py, F>(
        self: &Arc<Self>,
        context: Option<&Bound<'py, PyAny>>,
        role: Role,
        coroutine: &Bound<'py, PyAny>,
        done: F,
    ) -> Option<TaskHandle>
    where
        F: FnOnce(Python<'_>, Outcome<'_>) + Send + 'static,
    {
        let py = coroutine.py();
        let started = self.starter.start(coroutine, context);
        match &started {
            Ok(task) => self.end_if_forked_by(task),
            Err(error) => self.end_if_forked(py, Some(error)),
        }
        let task = match started {
            Ok(task) => task,
            // Also `SystemExit` and `KeyboardInterrupt`, which an eager start lets through: they end the call, no more.
            Err(error) => {
                done(py, Outcome::Raised(error));
                return None;
            }
        };
        if self.starter.eager && task.call_method0(intern!(py, "done")).is_ok_and(|done| done.is(true_of(py)))
        {
            done(py, Outcome::of(&task));
            return None;
        }
        let key = self.hold(task.clone().unbind(), role);
        let on_done = OnDone { done: Mutex::new(Some(Box::new(done))), runtime: Arc::clone(self), key };
        let watched = Bound::new(py, on_done)
            .and_then(|callback| task.call_method1(intern!(py, "add_done_callback"), (callback,)));
        if let Err(error) = watched {
            crate::log_exception(py, "a task's end could not be watched", &error);
        }
        Some(TaskHandle { task: task.unbind() })
    }
}

/// `True` itself: comparing identities is cheaper than asking for truth.
fn true_of(py: Python<'_>) -> Bound<'_, PyAny> {
    pyo3::types::PyBool::new(py, true).to_owned().into_any()
}

/// Whether asyncio lets the exception out of the event loop besides giving it to the task.
fn leaves_the_loop(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}

type Done = Box<dyn FnOnce(Python<'_>, Outcome<'_>) + Send>;

/// The task's done callback.
#[pyclass(frozen, module = "narthex._native")]
struct OnDone {
    done: Mutex<Option<Done>>,
    runtime: Arc<Runtime>,
    key: usize,
}

#[pymethods]
impl OnDone {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let py = task.py();
        let done = self.done.lock().take();
        let outcome = Outcome::of(task);
        self.runtime
            .end_if_forked(py, if let Outcome::Raised(error) = &outcome { Some(error) } else { None });
        if matches!(&outcome, Outcome::Raised(error) if leaves_the_loop(py, error)) {
            self.runtime.absorb_exit();
        }
        if let Some(done) = done {
            done(py, outcome);
        }
        self.runtime.release(self.key);
    }
}
