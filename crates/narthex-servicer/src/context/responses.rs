//! The responses of an asynchronous iterator on their way to the client: a coroutine, in Rust for the sake of its speed.
//!
//! In Python it would be this, with a method of ours in the place of `write`:
//!
//! ```python
//! iterator = aiter(responses)
//! try:
//!     async for response in iterator:
//!         await write(response)
//! finally:
//!     try:
//!         await iterator.aclose()  # if it has that method
//!     finally:
//!         await responses.aclose()  # if it has that method, and is not the iterator
//! ```

use std::sync::Arc;

use narthex_pyrt::{anext, awaitable, thrown};
use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopAsyncIteration, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use pyo3::types::iterator::PySendResult;

use super::streams::{Room, send};
use crate::call::Call;
use crate::error::during;
use crate::method::Method;

/// The coroutine. While it runs it is borrowed, so that PyO3 refuses to run it again, as Python refuses.
#[pyclass(module = "narthex._native")]
pub(crate) struct Responses {
    call: Arc<Call>,
    method: Arc<Method>,
    iterator: Py<PyAny>,
    /// What the handler has returned, where that is not the iterator itself.
    iterable: Option<Py<PyAny>>,
    stage: Stage,
}

enum Stage {
    Unstarted,
    Awaiting(Awaited, Py<PyIterator>),
    Over,
}

/// What for.
enum Awaited {
    Response,
    /// Room for another, after the last one.
    Room,
    /// That the one of the [sources](Responses::sources) with this number is closed, after which this is raised.
    Closed(usize, Option<PyErr>),
}

/// What a step came to: something that the task waits for, or `None` at the end.
type Step<'py> = PyResult<Option<Bound<'py, PyAny>>>;

impl Responses {
    pub(crate) fn make<'py>(
        call: &Arc<Call>,
        method: &Arc<Method>,
        responses: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = responses.py();
        let iterator = responses.call_method0(intern!(py, "__aiter__"))?;
        let iterable = (!iterator.is(responses)).then(|| responses.clone().unbind());
        let (call, method, iterator) = (Arc::clone(call), Arc::clone(method), iterator.unbind());
        Ok(Bound::new(py, Self { call, method, iterator, iterable, stage: Stage::Unstarted })?.into_any())
    }

    /// Goes on, with what the awaited object has answered if that is known, until something has to be waited for.
    fn run<'py>(&mut self, py: Python<'py>, mut answer: Option<PyResult<PySendResult<'py>>>) -> Step<'py> {
        let none = py.None().into_bound(py);
        loop {
            let next = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Over => {
                    return Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine"));
                }
                Stage::Unstarted => self.ask(py).or_else(|error| self.close_from(py, 0, Some(error))),
                Stage::Awaiting(what, awaited) => {
                    let answer = answer.take().unwrap_or_else(|| awaited.bind(py).send(&none));
                    let returned = match answer {
                        Ok(PySendResult::Next(waiting)) => {
                            self.stage = Stage::Awaiting(what, awaited);
                            return Ok(Some(waiting));
                        }
                        Ok(PySendResult::Return(value)) => Ok(value),
                        Err(error) => Err(error),
                    };
                    self.go_on(py, what, returned)
                }
            };
            self.stage = next?;
            if let Stage::Over = self.stage {
                return Ok(None);
            }
        }
    }

    /// What comes after something that was awaited.
    fn go_on(&self, py: Python<'_>, what: Awaited, returned: PyResult<Bound<'_, PyAny>>) -> PyResult<Stage> {
        let next = match (what, returned) {
            (Awaited::Response, Ok(response)) => self.write(&response),
            (Awaited::Response, Err(error)) if error.is_instance_of::<PyStopAsyncIteration>(py) => {
                return self.close_from(py, 0, None);
            }
            (Awaited::Room, Ok(_)) => self.ask(py),
            (Awaited::Response | Awaited::Room, Err(error)) => Err(error),
            (Awaited::Closed(number, raised), Ok(_)) => return self.close_from(py, number + 1, raised),
            (Awaited::Closed(number, raised), Err(error)) => {
                return self.close_from(py, number + 1, Some(during(py, error, raised)));
            }
        };
        next.or_else(|error| self.close_from(py, 0, Some(error)))
    }

    /// Asks for the next response.
    fn ask(&self, py: Python<'_>) -> PyResult<Stage> {
        let next = match anext(self.iterator.bind(py)) {
            // As `async for` takes it from a method that is no coroutine.
            Err(error) if error.is_instance_of::<PyStopAsyncIteration>(py) => {
                return self.close_from(py, 0, None);
            }
            next => next?,
        };
        Ok(Stage::Awaiting(Awaited::Response, iterated(next)?))
    }

    fn write(&self, response: &Bound<'_, PyAny>) -> PyResult<Stage> {
        let py = response.py();
        if send(py, &self.call, &self.method, response)? {
            return self.ask(py);
        }
        let room = awaitable(py, self.call.runtime(), Room(Arc::clone(&self.call)))?;
        Ok(Stage::Awaiting(Awaited::Room, iterated(room)?))
    }

    /// What is closed at the end, the innermost first.
    fn sources(&self) -> impl Iterator<Item = &Py<PyAny>> {
        [&self.iterator].into_iter().chain(&self.iterable)
    }

    /// Closes the sources from this number on, and raises then.
    fn close_from(&self, py: Python<'_>, number: usize, mut raised: Option<PyErr>) -> PyResult<Stage> {
        for (number, source) in self.sources().enumerate().skip(number) {
            match closing(source.bind(py)) {
                Ok(None) => {}
                Ok(Some(awaited)) => return Ok(Stage::Awaiting(Awaited::Closed(number, raised), awaited)),
                Err(error) => raised = Some(during(py, error, raised)),
            }
        }
        raised.map_or(Ok(Stage::Over), Err)
    }
}

/// What to wait for until it is closed; `None` if it cannot be.
fn closing(source: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyIterator>>> {
    let close = source.getattr_opt(intern!(source.py(), "aclose"))?;
    close.map(|close| iterated(close.call0()?)).transpose()
}

/// Raises in what is awaited, as `await` does: one that has no `throw` is left, and one that is to end is closed.
fn throw_into<'py>(awaited: &Bound<'py, PyIterator>, error: PyErr) -> PyResult<PySendResult<'py>> {
    let py = awaited.py();
    if error.is_instance_of::<PyGeneratorExit>(py) {
        close(awaited)?;
        return Err(error);
    }
    let Some(throw) = awaited.getattr_opt(intern!(py, "throw"))? else { return Err(error) };
    match throw.call1((error,)) {
        Ok(waiting) => Ok(PySendResult::Next(waiting)),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            Ok(PySendResult::Return(error.value(py).getattr(intern!(py, "value"))?))
        }
        Err(error) => Err(error),
    }
}

/// Tells what is awaited that nobody waits any longer, if it can be told.
fn close(awaited: &Bound<'_, PyIterator>) -> PyResult<()> {
    let close = awaited.getattr_opt(intern!(awaited.py(), "close"))?;
    close.map_or(Ok(()), |close| close.call0().map(drop))
}

/// What `await` would iterate over.
fn iterated(awaitable: Bound<'_, PyAny>) -> PyResult<Py<PyIterator>> {
    // An awaitable of an asynchronous generator is its own iterator, a coroutine is not.
    let iterator = awaitable.cast_into::<PyIterator>().or_else(|error| {
        let awaitable = error.into_inner();
        awaitable.call_method0(intern!(awaitable.py(), "__await__"))?.cast_into().map_err(PyErr::from)
    });
    iterator.map(Bound::unbind)
}

#[pymethods]
impl Responses {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> Step<'py> {
        self.run(py, None)
    }

    fn send<'py>(&mut self, py: Python<'py>, _value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.run(py, None)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    /// Raises in what is awaited, which may answer with something else than that exception.
    #[pyo3(signature = (kind, value = None, _traceback = None))]
    fn throw<'py>(
        &mut self,
        py: Python<'py>,
        kind: Bound<'py, PyAny>,
        value: Option<Bound<'py, PyAny>>,
        _traceback: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let error = thrown(kind, value);
        let Stage::Awaiting(_, awaited) = &self.stage else {
            self.stage = Stage::Over;
            return Err(error);
        };
        let answer = throw_into(awaited.bind(py), error);
        self.run(py, Some(answer))?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    /// Nobody will go on with it: what is awaited is told, and the iterator when it is collected.
    fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Awaiting(_, awaited) => close(awaited.bind(py)),
            Stage::Unstarted | Stage::Over => Ok(()),
        }
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.sources().try_for_each(|source| visit.call(source))?;
        match &self.stage {
            Stage::Awaiting(_, awaited) => visit.call(awaited),
            Stage::Unstarted | Stage::Over => Ok(()),
        }
    }
}
