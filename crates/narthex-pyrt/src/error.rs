//! Exceptions of user code: logged once, in Python's own logging, where the user's handlers (Sentry and the like) are.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Logs `error` with its traceback on the logger `narthex.error`.
pub fn log_exception(py: Python<'_>, message: &str, error: &PyErr) {
    let logged = (|| -> PyResult<()> {
        let logger = py.import("logging")?.call_method1("getLogger", ("narthex.error",))?;
        let kwargs = PyDict::new(py);
        kwargs.set_item("exc_info", error.value(py))?;
        logger.call_method("error", (message,), Some(&kwargs))?;
        Ok(())
    })();
    if let Err(while_logging) = logged {
        // A handler of the user's failed: both errors still have to be seen.
        tracing::error!("{message}: {error}; and logging it failed: {while_logging}");
    }
}

/// `ValueError: what str(error) says`, for a log line or a message without a traceback.
pub fn exception_text(py: Python<'_>, error: &PyErr) -> String {
    let name = error.get_type(py).name().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    let text = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
    if text.is_empty() { name } else { format!("{name}: {text}") }
}
