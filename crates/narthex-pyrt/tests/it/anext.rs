//! Items of asynchronous iterators, asked for as `async for` does.

use narthex_pyrt::{anext, attach};
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What the 101st item of an asynchronous iterator is, all of which are there at once.
fn item(source: &std::ffi::CStr) -> PyResult<String> {
    Python::initialize();
    attach(|py| {
        let names = PyDict::new(py);
        py.run(source, Some(&names), None)?;
        let iterator = names.get_item("iterator")?.expect("the source defines it");
        let references = || py.import("sys")?.call_method1("getrefcount", (&iterator,))?.extract::<usize>();
        let before = references()?;
        for _ in 0..100 {
            let raised =
                anext(&iterator)?.call_method1("send", (py.None(),)).expect_err("it returns at once");
            if !raised.is_instance_of::<PyStopIteration>(py) {
                return Err(raised);
            }
        }
        let raised = anext(&iterator)?.call_method1("send", (py.None(),)).expect_err("it returns at once");
        assert_eq!(references()?, before);
        raised.value(py).getattr("value")?.extract()
    })
    .expect("the interpreter is up")
}

#[test]
fn the_next_item_is_that_of_the_types_method() {
    let counting = c"
async def count():
    for n in range(1000): yield str(n)
iterator = count()";
    assert_eq!(item(counting).unwrap(), "100");
    let of_a_class = c"
class Own:
    async def __anext__(self): return 'own'
iterator = Own()
iterator.__anext__ = None";
    assert_eq!(item(of_a_class).unwrap(), "own");
}

#[test]
fn what_has_no_next_item_is_refused_as_python_refuses_it() {
    let error = item(c"iterator = iter(())").unwrap_err();
    assert_eq!(
        error.to_string(),
        "TypeError: 'async for' requires an iterator with __anext__ method, got tuple_iterator"
    );
    let raising = c"
class Raising:
    def __anext__(self): raise LookupError('at once')
iterator = Raising()";
    assert_eq!(item(raising).unwrap_err().to_string(), "LookupError: at once");
}
