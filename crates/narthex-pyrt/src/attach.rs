//! The only door to the interpreter for threads that Python did not call us on.

use pyo3::Python;

/// Attaches this thread to the interpreter and runs `f`; `None` once the interpreter is shutting down.
///
/// No lock may be held across this call: attaching waits for other Python threads.
pub fn attach<R>(f: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    #[expect(clippy::disallowed_methods, reason = "this is the door the others are sent to")]
    Python::try_attach(f)
}
