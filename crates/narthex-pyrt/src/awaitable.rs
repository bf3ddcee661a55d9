//! What Python awaits: values that are there already, and waits that Rust ends.
//!
//! The objects implement the whole coroutine protocol (`send`, `throw`, `close`, `__await__`), because applications pass
//! `receive()` to `asyncio.create_task`, which takes coroutines only. They complete without an event-loop round trip when
//! the value is there; something to [park](crate::parked) on is made only when a task must really wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use crate::inbox::Item;
use crate::parked::Parked;
use crate::runtime::Runtime;

/// A source of one value that Python may have to wait for.
pub trait Wait: Send + Sync + 'static {
    /// The value, if it is there; otherwise keeps `waiter` and wakes it once polling again is worth while.
    ///
    /// The first poll brings no waiter: most values are there already, and a poll with a waiter follows if this one is not.
    ///
    /// # Cancel safety
    ///
    /// A wait that is cancelled is just not polled again: the value must not be taken before it is returned.
    fn poll(&self, py: Python<'_>, waiter: Option<&Arc<Waiter>>) -> Option<PyResult<Py<PyAny>>>;
}

/// The Rust side's handle on one waiting coroutine.
pub struct Waiter {
    runtime: Arc<Runtime>,
    /// A wake-up is on its way to Python.
    woken: AtomicBool,
    /// What the coroutine is parked on.
    parked: Mutex<Option<Py<Parked>>>,
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter").field("woken", &self.woken).finish_non_exhaustive()
    }
}

impl Waiter {
    fn new(runtime: &Arc<Runtime>) -> Self {
        Self { runtime: Arc::clone(runtime), woken: AtomicBool::new(false), parked: Mutex::new(None) }
    }

    /// Has the coroutine polled again. Callable from any thread, any number of times.
    pub fn wake(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.runtime.post(Item::Wake(Arc::clone(self)));
        }
    }

    /// Whether a coroutine waits here still: it was neither resumed nor cancelled.
    pub fn is_parked(&self) -> bool {
        self.parked.lock().is_some()
    }

    /// The pump's part: has the coroutine go on, if it still waits.
    pub(crate) fn resume(&self, py: Python<'_>) {
        self.woken.store(false, Ordering::Release);
        let parked = self.parked.lock().take();
        if let Some(parked) = parked {
            Parked::wake(parked.bind(py));
        }
    }
}

impl std::task::Wake for Waiter {
    fn wake(self: Arc<Self>) {
        Waiter::wake(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Waiter::wake(self);
    }
}

/// An awaitable for `source`'s value.
pub fn awaitable<'py>(
    py: Python<'py>,
    runtime: &Arc<Runtime>,
    source: impl Wait,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(Bound::new(py, Pending::new(runtime, source))?.into_any())
}

/// An awaitable for one value after the other, such as an iterator gives: a new one only where somebody has the last one still.
#[derive(Default)]
pub struct Recurring(Mutex<Option<Py<Pending>>>);

impl Recurring {
    /// An awaitable for the next value of the source, which is the same each time.
    pub fn next<'py, W: Wait>(
        &self,
        py: Python<'py>,
        runtime: &Arc<Runtime>,
        source: impl FnOnce() -> W,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(last) = &*self.0.lock()
            && is_only_ours(last.bind(py))
            && last.get().renew()
        {
            return Ok(last.bind(py).clone().into_any());
        }
        // Not under the lock: making an object may run finalizers.
        let pending = Bound::new(py, Pending::new(runtime, source()))?;
        let last = self.0.lock().replace(pending.clone().unbind());
        drop(last);
        Ok(pending.into_any())
    }

    /// For the `__traverse__` of its owner.
    ///
    /// # Errors
    ///
    /// Those of the visitor.
    pub fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // Locked only by the thread that is attached; one that is not here.
        let Some(last) = self.0.try_lock() else { return Ok(()) };
        last.as_ref().map_or(Ok(()), |last| visit.call(last))
    }
}

impl std::fmt::Debug for Recurring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recurring").finish_non_exhaustive()
    }
}

/// Whether nobody else refers to the object.
#[expect(unsafe_code, reason = "pyo3 has no safe form")]
fn is_only_ours(object: &Bound<'_, Pending>) -> bool {
    // SAFETY: a live object, and the interpreter is attached, so that nobody takes a reference meanwhile.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

/// The awaitable that gives `None` at once; always the same object.
pub fn ready_none(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static READY: PyOnceLock<Py<ReadyNone>> = PyOnceLock::new();
    Ok(READY.get_or_try_init(py, || Py::new(py, ReadyNone))?.bind(py).clone().into_any())
}

/// `StopIteration(value)`, which is how an iterator returns; a tuple must not be spread over its arguments.
fn stop(py: Python<'_>, value: Py<PyAny>) -> PyErr {
    match PyTuple::new(py, [value]) {
        Ok(args) => PyStopIteration::new_err(args.unbind()),
        Err(error) => error,
    }
}

/// What a coroutine's `throw(type, value, traceback)` raises, for its one-argument and its old three-argument form.
pub fn thrown(kind: Bound<'_, PyAny>, value: Option<Bound<'_, PyAny>>) -> PyErr {
    match value {
        Some(value) if !value.is_none() => PyErr::from_value(value),
        _ => PyErr::from_value(kind),
    }
}

#[pyclass(frozen, module = "narthex._native")]
struct ReadyNone;

#[pymethods]
impl ReadyNone {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Ends the iteration: the awaited value is `None`.
    #[expect(clippy::unused_self, reason = "the iterator protocol passes it")]
    fn __next__(&self) -> Option<()> {
        None
    }

    #[expect(clippy::unused_self, reason = "the coroutine protocol passes it")]
    fn send(&self, py: Python<'_>, _value: Py<PyAny>) -> PyErrResult {
        Err(stop(py, py.None()))
    }

    #[pyo3(signature = (kind, value = None, _traceback = None))]
    #[expect(clippy::unused_self, reason = "the coroutine protocol passes it")]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        _traceback: Option<Bound<'_, PyAny>>,
    ) -> PyErrResult {
        Err(thrown(kind, value))
    }

    #[expect(clippy::unused_self, reason = "the coroutine protocol passes it")]
    fn close(&self) {}
}

/// A method that only ever raises.
type PyErrResult = PyResult<()>;

fn reused() -> PyErr {
    PyRuntimeError::new_err("cannot reuse already awaited coroutine")
}

/// A wait for Rust.
#[pyclass(frozen, module = "narthex._native")]
struct Pending {
    source: Box<dyn Wait>,
    runtime: Arc<Runtime>,
    waiter: OnceLock<Arc<Waiter>>,
    /// The source was asked before.
    asked: AtomicBool,
    finished: AtomicBool,
}

impl Pending {
    fn new(runtime: &Arc<Runtime>, source: impl Wait) -> Self {
        Self {
            source: Box::new(source),
            runtime: Arc::clone(runtime),
            waiter: OnceLock::new(),
            asked: AtomicBool::new(false),
            finished: AtomicBool::new(false),
        }
    }

    /// Makes it a wait for another value, if it is over. A wake-up that is still on its way for the last one has the source asked
    /// once more, no harm.
    fn renew(&self) -> bool {
        let over = self.finished.load(Ordering::Relaxed);
        if over {
            self.asked.store(false, Ordering::Relaxed);
            self.finished.store(false, Ordering::Relaxed);
        }
        over
    }

    /// Asks the source, first without a waiter.
    fn poll(&self, py: Python<'_>) -> Result<PyResult<Py<PyAny>>, &Arc<Waiter>> {
        if !self.asked.swap(true, Ordering::Relaxed)
            && let Some(value) = self.source.poll(py, None)
        {
            return Ok(value);
        }
        let waiter = self.waiter.get_or_init(|| Arc::new(Waiter::new(&self.runtime)));
        self.source.poll(py, Some(waiter)).ok_or(waiter)
    }
}

#[pymethods]
impl Pending {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Ends with the value, or yields something to wait on to the task.
    fn __next__(&self, py: Python<'_>) -> PyResult<Py<Parked>> {
        if self.finished.load(Ordering::Relaxed) {
            return Err(reused());
        }
        match self.poll(py) {
            Ok(value) => {
                self.finished.store(true, Ordering::Relaxed);
                Err(value.map_or_else(|error| error, |value| stop(py, value)))
            }
            Err(waiter) => {
                let parked = Parked::new(py, &self.runtime)?;
                // Another is there only if the object that was yielded before was not waited on.
                let before = waiter.parked.lock().replace(parked.clone_ref(py));
                drop(before);
                Ok(parked)
            }
        }
    }

    fn send(&self, py: Python<'_>, _value: Py<PyAny>) -> PyResult<Py<Parked>> {
        self.__next__(py)
    }

    /// The task is cancelled (or closed): forget what it is parked on, so that a late wake-up finds nobody.
    #[pyo3(signature = (kind, value = None, _traceback = None))]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        _traceback: Option<Bound<'_, PyAny>>,
    ) -> PyErrResult {
        self.close();
        Err(thrown(kind, value))
    }

    fn close(&self) {
        self.finished.store(true, Ordering::Relaxed);
        let parked = self.waiter.get().and_then(|waiter| waiter.parked.lock().take());
        drop(parked);
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        match self.waiter.get().and_then(|waiter| waiter.parked.try_lock()) {
            Some(parked) => parked.as_ref().map_or(Ok(()), |parked| visit.call(parked)),
            None => Ok(()),
        }
    }
}
