//! What a task is parked on while it waits for Rust: to the task a future of asyncio, and to nobody else.
//!
//! asyncio's own future, once it has its result, has the event loop call the task in its next turn. The pump calls it at
//! once, so that what the task then does still belongs to the pump's turn, and goes out with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use pyo3::exceptions::asyncio::{CancelledError, InvalidStateError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use smallvec::SmallVec;

use crate::context::in_context;
use crate::error::log_exception;
use crate::runtime::Runtime;

/// The part of `asyncio.Future` that tasks use. On the loop's thread only.
#[pyclass(frozen, module = "narthex._native")]
pub(crate) struct Parked {
    runtime: Arc<Runtime>,
    blocking: AtomicBool,
    state: Mutex<State>,
}

enum State {
    Waiting(Callbacks),
    Woken,
    /// With what `cancel` was told.
    Cancelled(Option<Py<PyAny>>),
}

/// What asyncio's own tasks are woken with: a future of asyncio's own that has its result. They read that without a call of
/// Python, and do not ask whether it is what they were parked on.
pub(crate) struct Woken {
    task: Py<PyType>,
    future: Py<PyAny>,
}

impl Woken {
    pub(crate) fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        future.call_method1(intern!(py, "set_result"), (py.None(),))?;
        let task = py.import(intern!(py, "asyncio"))?.getattr(intern!(py, "Task"))?;
        Ok(Self { task: task.cast_into::<PyType>()?.unbind(), future: future.unbind() })
    }

    /// Whether this is how an asyncio task wants to be called: a method of its own, in C.
    #[expect(unsafe_code, reason = "PyO3 reads __self__ by a look-up of its name, at each wake-up")]
    fn suits(&self, function: &Bound<'_, PyAny>) -> bool {
        let function = function.as_ptr();
        // SAFETY: attached, and a live object.
        if unsafe { ffi::PyCFunction_CheckExact(function) } == 0 {
            return false;
        }
        // SAFETY: it is a builtin function, as was just seen, and lives; what it is bound to, which may be nothing, lives with it.
        let owner = unsafe { ffi::PyCFunction_GetSelf(function) };
        // SAFETY: not null, and alive.
        !owner.is_null() && unsafe { ffi::Py_TYPE(owner) } == self.task.as_ptr().cast()
    }
}

/// One as a rule, the task's.
type Callbacks = SmallVec<[Callback; 1]>;

/// Whom to call.
struct Callback {
    function: Py<PyAny>,
    context: Option<Py<PyAny>>,
}

impl Parked {
    /// What a coroutine yields to its task, the way `Future.__await__` does.
    pub(crate) fn new(py: Python<'_>, runtime: &Arc<Runtime>) -> PyResult<Py<Self>> {
        let state = Mutex::new(State::Waiting(Callbacks::new()));
        Py::new(py, Self { runtime: Arc::clone(runtime), blocking: AtomicBool::new(true), state })
    }

    /// Has the task go on. Called by the pump, where no task is running.
    pub(crate) fn wake(slf: &Bound<'_, Self>) {
        for callback in slf.get().end(State::Woken).into_iter().flatten() {
            if let Err(error) = callback.call(slf) {
                log_exception(slf.py(), "a waiting coroutine could not be resumed", &error);
            }
        }
    }

    /// The callbacks, if this was still waiting.
    fn end(&self, with: State) -> Option<Callbacks> {
        let mut state = self.state.lock();
        let State::Waiting(callbacks) = &mut *state else { return None };
        let callbacks = std::mem::take(callbacks);
        *state = with;
        Some(callbacks)
    }
}

impl Callback {
    /// Calls it now, as the event loop would.
    fn call(&self, parked: &Bound<'_, Parked>) -> PyResult<()> {
        let py = parked.py();
        let Some(context) = &self.context else { return self.call_soon(parked) };
        let function = self.function.bind(py);
        let woken = &parked.get().runtime.woken;
        let with = if woken.suits(function) { woken.future.bind(py) } else { parked.as_any() };
        let Ok(called) = in_context(context.bind(py), || function.call1((with,))) else {
            // Somebody else is in this context: the event loop tries, and tells of it as it does for futures of its own.
            return self.call_soon(parked);
        };
        let runtime = &parked.get().runtime;
        if runtime.is_forked()
            && let Ok(task) = function.getattr(intern!(py, "__self__"))
        {
            runtime.end_if_forked_by(&task);
        }
        match called {
            Ok(_) => Ok(()),
            // An exit, which a task lets through and which is to leave the event loop, not the pump.
            Err(error) => runtime.raise_soon(py, error),
        }
    }

    fn call_soon(&self, parked: &Bound<'_, Parked>) -> PyResult<()> {
        let py = parked.py();
        let kwargs = PyDict::new(py);
        if let Some(context) = &self.context {
            kwargs.set_item(intern!(py, "context"), context)?;
        }
        let event_loop = parked.get().runtime.event_loop(py);
        let arguments = (self.function.bind(py), parked);
        event_loop.call_method(intern!(py, "call_soon"), arguments, Some(&kwargs)).map(drop)
    }
}

#[pymethods]
impl Parked {
    #[getter(_asyncio_future_blocking)]
    fn blocking(&self) -> bool {
        self.blocking.load(Ordering::Relaxed)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, blocking: bool) {
        self.blocking.store(blocking, Ordering::Relaxed);
    }

    fn get_loop<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.runtime.event_loop(py).clone()
    }

    #[pyo3(signature = (function, *, context = None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        function: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let callback = Callback { function, context };
        if let State::Waiting(callbacks) = &mut *slf.get().state.lock() {
            callbacks.push(callback);
            return Ok(());
        }
        callback.call_soon(slf)
    }

    fn remove_done_callback(&self, function: &Bound<'_, PyAny>) -> PyResult<usize> {
        // Comparing calls Python, which must find no lock, and may wake this, or raise: the callbacks stay until all is known.
        let py = function.py();
        let functions = match &*self.state.lock() {
            State::Waiting(callbacks) => {
                callbacks.iter().map(|callback| callback.function.clone_ref(py)).collect::<Vec<_>>()
            }
            State::Woken | State::Cancelled(_) => return Ok(0),
        };
        let mut equal = Vec::new();
        for other in functions {
            if function.eq(&other)? {
                equal.push(other);
            }
        }
        let removed: Callbacks = match &mut *self.state.lock() {
            State::Waiting(callbacks) => {
                let is_equal =
                    |callback: &Callback| equal.iter().any(|function| function.is(&callback.function));
                let (removed, kept) = std::mem::take(callbacks).into_iter().partition(is_equal);
                *callbacks = kept;
                removed
            }
            State::Woken | State::Cancelled(_) => Callbacks::new(),
        };
        Ok(removed.len())
    }

    fn done(&self) -> bool {
        !matches!(&*self.state.lock(), State::Waiting(_))
    }

    fn cancelled(&self) -> bool {
        matches!(&*self.state.lock(), State::Cancelled(_))
    }

    /// `None` once it is woken, as nothing else is told this way.
    fn result(&self, py: Python<'_>) -> PyResult<()> {
        let message = match &*self.state.lock() {
            State::Woken => return Ok(()),
            State::Waiting(_) => return Err(InvalidStateError::new_err("Result is not set.")),
            State::Cancelled(message) => message.as_ref().map(|message| message.clone_ref(py)),
        };
        Err(match message {
            Some(message) => CancelledError::new_err((message,)),
            None => CancelledError::new_err(()),
        })
    }

    fn exception(&self, py: Python<'_>) -> PyResult<()> {
        self.result(py)
    }

    /// What `Task.cancel` asks for: the task goes on in the loop's next turn, with `CancelledError`.
    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let Some(callbacks) = slf.get().end(State::Cancelled(msg)) else { return Ok(false) };
        for callback in callbacks {
            callback.call_soon(slf)?;
        }
        Ok(true)
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // Locked only by the thread that is attached; one that is not here.
        let Some(state) = self.state.try_lock() else { return Ok(()) };
        match &*state {
            State::Waiting(callbacks) => callbacks.iter().try_for_each(|callback| {
                visit.call(&callback.function)?;
                callback.context.as_ref().map_or(Ok(()), |context| visit.call(context))
            }),
            State::Cancelled(Some(message)) => visit.call(message),
            State::Woken | State::Cancelled(None) => Ok(()),
        }
    }

    fn __clear__(&self) {
        let state = std::mem::replace(&mut *self.state.lock(), State::Woken);
        drop(state);
    }
}

/// Raises what it holds when it is called.
#[pyclass(frozen, module = "narthex._native")]
struct Raise(Mutex<Option<PyErr>>);

#[pymethods]
impl Raise {
    fn __call__(&self) -> PyResult<()> {
        self.0.lock().take().map_or(Ok(()), Err)
    }
}

impl Runtime {
    /// Has the event loop raise an exit, in a callback of its own.
    fn raise_soon(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let raise = Bound::new(py, Raise(Mutex::new(Some(error))))?;
        self.event_loop(py).call_method1(intern!(py, "call_soon"), (raise,)).map(drop)
    }
}
