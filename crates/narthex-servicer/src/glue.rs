//! The coroutine functions of `glue.py`.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyModule, PyString};

const SOURCE: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(include_str!("glue.py"), "\0").as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("a NUL in the source"),
    };

/// Awaits its argument.
pub(crate) fn completed(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    function(py, intern!(py, "completed"))
}

/// Calls its first argument with its second.
pub(crate) fn called(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    function(py, intern!(py, "called"))
}

fn function<'py>(py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || {
        PyModule::from_code(py, SOURCE, c"narthex/_native/glue.py", c"narthex._native.glue")
            .map(Bound::unbind)
    })?;
    module.bind(py).getattr(name)
}
