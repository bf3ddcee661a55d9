//! What `async for` calls.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// An awaitable for the iterator's next item. As in `async for`, the method is the type's, and there is no look-up of its name.
///
/// # Errors
///
/// Those of the method, and `TypeError` where there is none.
#[expect(
    unsafe_code,
    reason = "pyo3 has no form of it, and to look the method up by name costs more than to call it"
)]
pub fn anext<'py>(iterator: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let kind = iterator.get_type();
    // SAFETY: `kind` keeps its type object alive.
    let slots = unsafe { &*kind.as_type_ptr() }.tp_as_async;
    // SAFETY: null, or a table that lives as long as its type.
    let slots = unsafe { slots.as_ref() };
    let Some(anext) = slots.and_then(|slots| slots.am_anext) else {
        let name = kind.name()?;
        return Err(PyTypeError::new_err(format!(
            "'async for' requires an iterator with __anext__ method, got {name}"
        )));
    };
    // SAFETY: the slot of its own type, a live object, and the interpreter is attached.
    let awaitable = unsafe { anext(iterator.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(iterator.py(), awaitable) }
}
