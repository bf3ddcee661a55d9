//! Byte strings across the border: small ones are copied, large ones are shared.

use bytes::Bytes;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

/// Up to this size a copy costs less than keeping the Python object alive from another thread.
const SHARE_FROM: usize = 8 * 1024;

/// The bytes of a `bytes`, `bytearray` or `memoryview`.
///
/// A large `bytes` object is shared, not copied, and released when the last slice of it is gone.
///
/// # Errors
///
/// `TypeError` naming `what` for any other type.
pub fn to_bytes(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Bytes> {
    if let Ok(exact) = object.cast::<PyBytes>() {
        let slice = exact.as_bytes();
        if slice.len() < SHARE_FROM {
            return Ok(Bytes::copy_from_slice(slice));
        }
        return Ok(Bytes::from_owner(PyBackedBytes::from(exact.clone())));
    }
    if let Ok(array) = object.cast::<PyByteArray>() {
        return Ok(Bytes::from(array.to_vec()));
    }
    if object.is_instance_of::<PyMemoryView>() {
        let copy = object.call_method0(pyo3::intern!(object.py(), "tobytes"))?;
        return Ok(Bytes::copy_from_slice(copy.cast::<PyBytes>()?.as_bytes()));
    }
    Err(PyTypeError::new_err(format!("{what} must be bytes, not {}", object.get_type().name()?)))
}

/// A Python `bytes` object with a copy of `bytes`.
pub fn to_py<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, bytes)
}
