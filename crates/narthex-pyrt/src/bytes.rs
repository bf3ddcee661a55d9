//! Byte strings across the border: small ones are copied, large ones are shared.

use std::io::Write as _;

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
        return Ok(share(exact));
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

/// The bytes of this very object, which is released when the last slice of them is gone.
pub fn share(object: &Bound<'_, PyBytes>) -> Bytes {
    Bytes::from_owner(PyBackedBytes::from(object.clone()))
}

/// A Python `bytes` object with a copy of all `pieces`, which have `len` bytes together.
///
/// # Errors
///
/// `MemoryError`.
pub fn joined<'a, 'py>(
    py: Python<'py>,
    len: usize,
    mut pieces: impl Iterator<Item = &'a [u8]>,
) -> PyResult<Bound<'py, PyBytes>> {
    match pieces.next() {
        None => Ok(PyBytes::new(py, &[])),
        Some(all) if all.len() == len => Ok(PyBytes::new(py, all)),
        Some(first) => PyBytes::new_with_writer(py, len, |writer| {
            writer.write_all(first)?;
            pieces.try_for_each(|piece| Ok(writer.write_all(piece)?))
        }),
    }
}

/// A Python `bytes` object with a copy of `bytes`.
pub fn to_py<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, bytes)
}
