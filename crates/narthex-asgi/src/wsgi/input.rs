//! `wsgi.input`: the request's body as a file, read from the connection when the application asks for it.

use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::BytesMut;
use memchr::memchr;
use narthex_pyrt::block_until;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::error::disconnected;
use crate::exchange::Exchange;
use crate::receive::{Received, Refused, next};

/// The body's file. It ends where the body does, so that a body without a declared length can be read too.
#[pyclass(frozen, module = "narthex._native")]
pub(super) struct Input {
    exchange: Arc<Exchange>,
    max_body: Option<u64>,
    held: Mutex<Held>,
}

/// What has arrived and was not read yet.
#[derive(Default)]
struct Held {
    bytes: BytesMut,
    ended: bool,
}

impl Input {
    pub(super) fn new(exchange: Arc<Exchange>, max_body: Option<u64>) -> Self {
        Self { exchange, max_body, held: Mutex::default() }
    }

    /// Waits for more until `enough` says how many of the bytes are asked for, or all have come; takes them.
    fn take<'py>(
        &self,
        py: Python<'py>,
        mut enough: impl FnMut(&[u8]) -> Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        loop {
            let mut held = self.held.lock();
            let asked = enough(&held.bytes);
            if asked.is_some() || held.ended {
                let asked = asked.unwrap_or(held.bytes.len());
                let bytes = held.bytes.split_to(asked);
                drop(held);
                return Ok(PyBytes::new(py, &bytes));
            }
            drop(held);
            self.fetch(py)?;
        }
    }

    /// Waits for the next of the body.
    fn fetch(&self, py: Python<'_>) -> PyResult<()> {
        let received = block_until(py, |waker| {
            let mut state = self.exchange.lock();
            let receivers = state.receivers.get_or_insert_default();
            receivers.add_lane(waker);
            let waker = Waker::from(Arc::clone(receivers));
            match next(&mut state, &waker, self.max_body) {
                Ok(Received::Nothing) => Poll::Pending,
                received => Poll::Ready(received),
            }
        });
        match received {
            Ok(Received::Request { data, more }) => {
                let mut held = self.held.lock();
                held.bytes.extend_from_slice(&data);
                held.ended = !more;
                Ok(())
            }
            Ok(Received::Disconnect | Received::Nothing) => Err(disconnected()),
            Err(Refused(status, text)) => {
                self.exchange.fail(status, text);
                Err(disconnected())
            }
        }
    }

    fn line<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut searched = 0;
        self.take(py, |held| {
            // Another thread that reads the same body may have taken what was searched.
            searched = searched.min(held.len());
            let end = memchr(b'\n', &held[searched..]).map(|at| searched + at + 1);
            searched = held.len();
            end.or_else(|| (held.len() >= most).then_some(most)).map(|end| end.min(most))
        })
    }
}

/// A size as files take it: nothing and what is negative is no limit.
fn limit(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size = None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let most = limit(size);
        self.take(py, |held| (held.len() >= most).then_some(most))
    }

    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.line(py, limit(size))
    }

    #[pyo3(signature = (hint = None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        // As for files, 0 is no limit here.
        let most = limit(hint.filter(|hint| *hint != 0));
        let lines = PyList::empty(py);
        let mut length = 0;
        while length < most {
            let line = self.line(py, usize::MAX)?;
            if line.as_bytes().is_empty() {
                break;
            }
            length += line.as_bytes().len();
            lines.append(line)?;
        }
        Ok(lines)
    }

    const fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, usize::MAX)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }
}
