//! Contexts (`contextvars`): what Python code that we call sees of the variables that other code has set.

use pyo3::ffi;
use pyo3::prelude::*;

/// Runs `f` in `context` (a `contextvars.Context`), as `Context.run` runs a Python callable, without making one of `f`.
///
/// # Errors
///
/// If the context is entered already, here or on another thread.
pub fn in_context<R>(context: &Bound<'_, PyAny>, f: impl FnOnce() -> R) -> PyResult<R> {
    let _entered = Entered::new(context)?;
    Ok(f())
}

/// The context is left again when this is dropped.
struct Entered<'a, 'py>(&'a Bound<'py, PyAny>);

impl<'a, 'py> Entered<'a, 'py> {
    #[expect(unsafe_code, reason = "pyo3 has no safe form")]
    fn new(context: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        // SAFETY: a live object and an attached thread; what is no context is refused with an exception.
        let status = unsafe { ffi::PyContext_Enter(context.as_ptr()) };
        if status < 0 { Err(PyErr::fetch(context.py())) } else { Ok(Self(context)) }
    }
}

impl Drop for Entered<'_, '_> {
    #[expect(unsafe_code, reason = "pyo3 has no safe form")]
    fn drop(&mut self) {
        // SAFETY: entered by `new` on this thread, which the token in `Bound` has kept attached.
        let status = unsafe { ffi::PyContext_Exit(self.0.as_ptr()) };
        if status < 0 {
            // Only if `f` has entered another one and not left it.
            let error = PyErr::fetch(self.0.py());
            crate::log_exception(self.0.py(), "a context could not be left", &error);
        }
    }
}
