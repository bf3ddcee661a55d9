//! Metadata between headers and Python's tuples of pairs.
//!
//! Keys that end in `-bin` have `bytes` values in Python and base64 on the wire. What is the protocol's own
//! ([`narthex_wire::metadata::is_reserved`]) is neither shown nor sent.

use http::{HeaderMap, HeaderName, HeaderValue};
use narthex_wire::metadata::{decode_bin, encode_bin, is_binary, is_reserved, without_margins};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PySequence, PyString, PyTuple};

/// What asks grpc's own transport for compression.
const GRPC_INTERNAL: &str = "grpc-internal-encoding-request";

/// The metadata of a request, as `context.invocation_metadata()` returns it: a tuple of `(key, value)` pairs that have the
/// attributes `key` and `value`.
pub(crate) fn to_python<'py>(py: Python<'py>, headers: &HeaderMap) -> PyResult<Bound<'py, PyTuple>> {
    let pair = pair_class(py)?;
    let mut pairs = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let (name, value) = (name.as_str(), value.as_bytes());
        if is_reserved(name) {
            continue;
        }
        let key = PyString::new(py, name);
        if !is_binary(name) {
            pairs.push(pair.call1((key, text(py, value)))?);
            continue;
        }
        for part in decode_bin(value) {
            // What is not base64 is handed on as it came: a client's mistake is not ours to answer.
            let bytes = part.map_or_else(|_| PyBytes::new(py, value), |bytes| PyBytes::new(py, &bytes));
            pairs.push(pair.call1((&key, bytes))?);
        }
    }
    PyTuple::new(py, pairs)
}

/// Header values are bytes by nature. grpc reads them as UTF-8, and as Latin-1 where they are not.
fn text<'py>(py: Python<'py>, value: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(value) {
        Ok(text) => PyString::new(py, text),
        Err(_) => PyString::new(py, &value.iter().copied().map(char::from).collect::<String>()),
    }
}

fn pair_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || {
        let kwargs = PyDict::new(py);
        kwargs.set_item("module", "narthex._native")?;
        let class = py.import("collections")?.call_method(
            "namedtuple",
            ("Metadatum", ("key", "value")),
            Some(&kwargs),
        )?;
        PyResult::Ok(class.unbind())
    })?;
    Ok(class.bind(py))
}

/// Metadata that a handler sends: as headers, and as the tuple that it can read back.
pub(crate) struct Sent {
    pub(crate) headers: HeaderMap,
    pub(crate) tuple: Py<PyTuple>,
}

impl Sent {
    pub(crate) fn none(py: Python<'_>) -> Self {
        Self { headers: HeaderMap::new(), tuple: PyTuple::empty(py).unbind() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }
}

/// Reads what a handler gives as metadata, which `what` names: an iterable of pairs of `str` (or `bytes`, as `grpc.server`
/// takes them) and `str`, `bytes` or `None`; or `None` altogether.
///
/// # Errors
///
/// `TypeError` for another form, `ValueError` for keys and values that cannot be sent.
pub(crate) fn from_python(what: &str, metadata: &Bound<'_, PyAny>) -> PyResult<Sent> {
    let py = metadata.py();
    if metadata.is_none() {
        return Ok(Sent::none(py));
    }
    if metadata.is_instance_of::<PyDict>() || metadata.is_instance_of::<PyString>() {
        return Err(wrong_type(what, metadata));
    }
    let pairs = metadata.try_iter().map_err(|_| wrong_type(what, metadata))?.collect::<PyResult<Vec<_>>>()?;
    let mut headers = HeaderMap::new();
    for pair in &pairs {
        let (key, value) = key_and_value(pair).ok_or_else(|| wrong_type(what, pair))?;
        append(&mut headers, &key, &value)?;
    }
    Ok(Sent { headers, tuple: PyTuple::new(py, pairs)?.unbind() })
}

/// None if it is no pair, or its key no text.
fn key_and_value<'py>(pair: &Bound<'py, PyAny>) -> Option<(String, Bound<'py, PyAny>)> {
    // grpc.server takes lists for pairs too.
    let is_pair = pair.is_instance_of::<PyTuple>() || pair.is_instance_of::<PyList>();
    let pair =
        pair.cast::<PySequence>().ok().filter(|pair| is_pair && pair.len().is_ok_and(|len| len == 2))?;
    let key = pair.get_item(0).ok()?;
    let key = match key.cast::<PyBytes>() {
        Ok(bytes) => String::from_utf8(bytes.as_bytes().to_vec()).ok()?,
        Err(_) => key.extract().ok()?,
    };
    Some((key, pair.get_item(1).ok()?))
}

fn append(headers: &mut HeaderMap, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    // As with grpc, such a name is no mistake: programs hand on what another call was answered with.
    if (is_reserved(key) && !key.starts_with(':')) || key == GRPC_INTERNAL {
        return Ok(());
    }
    let (name, value) = (header_name(key)?, header_value(key, value)?);
    headers
        .try_append(name, value)
        .map(drop)
        .map_err(|_| PyValueError::new_err("there are more metadata than can be sent"))
}

fn header_name(key: &str) -> PyResult<HeaderName> {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if key.is_empty() || !key.bytes().all(legal) {
        return Err(PyValueError::new_err(format!(
            "metadata key {key:?} is not legal: keys consist of lower-case letters, digits, '-', '_' and '.'"
        )));
    }
    HeaderName::from_bytes(key.as_bytes())
        .map_err(|error| PyValueError::new_err(format!("metadata key {key:?} is not legal: {error}")))
}

fn header_value(key: &str, value: &Bound<'_, PyAny>) -> PyResult<HeaderValue> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return if is_binary(key) {
            Ok(encode_bin(bytes.as_bytes()))
        } else {
            text_value(key, bytes.as_bytes())
        };
    }
    if value.is_none() {
        // As in grpc, which takes it for empty.
        return Ok(HeaderValue::from_static(""));
    }
    match value.cast::<PyString>() {
        Ok(_) if is_binary(key) => Err(PyTypeError::new_err(format!(
            "the value of metadata key {key:?} must be bytes, as its name ends in -bin, not str"
        ))),
        Ok(text) => text_value(key, text.to_str()?.as_bytes()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "the value of metadata key {key:?} must be str or bytes, not {}",
            value.get_type().name()?
        ))),
    }
}

fn text_value(key: &str, value: &[u8]) -> PyResult<HeaderValue> {
    let illegal = || {
        PyValueError::new_err(format!(
            "the value of metadata key {key:?} is not legal: it may hold visible ASCII and spaces; \
             other data need a key that ends in -bin"
        ))
    };
    if !value.iter().all(|byte| (0x20..=0x7E).contains(byte)) {
        return Err(illegal());
    }
    HeaderValue::from_bytes(without_margins(value)).map_err(|_| illegal())
}

fn wrong_type(what: &str, found: &Bound<'_, PyAny>) -> PyErr {
    let found = found.repr().map_or_else(|_| "another object".to_owned(), |repr| repr.to_string());
    PyTypeError::new_err(format!("{what} must be an iterable of tuples (str, str | bytes), not {found}"))
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    /// Runs `check` with the value of a Python expression.
    fn with(expression: &str, check: impl FnOnce(&Bound<'_, PyAny>)) {
        Python::initialize();
        let expression = CString::new(expression).unwrap();
        narthex_pyrt::attach(|py| check(&py.eval(&expression, None, None).unwrap())).unwrap();
    }

    #[track_caller]
    fn sends(expression: &str, expect: &[(&str, &str)]) {
        with(expression, |metadata| {
            let sent = from_python("trailing metadata", metadata).unwrap();
            let headers: Vec<_> =
                sent.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            assert_eq!(headers, expect, "{expression}");
        });
    }

    #[track_caller]
    fn refuses(expression: &str, class: &str, word: &str) {
        with(expression, |metadata| {
            let error = from_python("trailing metadata", metadata).err().unwrap().to_string();
            assert!(error.starts_with(class) && error.contains(word), "{expression}: {error}");
        });
    }

    #[test]
    fn pairs_become_headers() {
        sends("(('a', 'x'), ('b_c.d-1', b'y z'), ('a', ''))", &[("a", "x"), ("a", ""), ("b_c.d-1", "y z")]);
        sends("[('k-bin', b'\\x00\\xff')]", &[("k-bin", "AP8")]);
        sends("(('grpc-status-details-bin', b'\\x08\\x05'),)", &[("grpc-status-details-bin", "CAU")]);
        sends("((b'a', 'x'), (b'k-bin', b'\\x00\\xff'))", &[("a", "x"), ("k-bin", "AP8")]);
        // As other servers and clients do with what the protocol forbids.
        sends("(('a', ' x y '), ('a', '  '))", &[("a", "x y"), ("a", "")]);
        sends("(['a', 'x'],)", &[("a", "x")]);
        sends("None", &[]);
        sends("(('a', None), ('a-bin', None))", &[("a", ""), ("a-bin", "")]);
        for key in ["content-length", "grpc-status", "grpc-message", "content-type", "connection", "te"] {
            sends(&format!("iter([({key:?}, '1'), ('a', 'b')])"), &[("a", "b")]);
        }
        sends("(('grpc-retry-pushback-ms', '5'),)", &[("grpc-retry-pushback-ms", "5")]);
    }

    #[test]
    fn other_forms_are_type_errors() {
        for wrong in ["{'a': 'b'}", "'ab'", "5", "(('a',),)", "(('a', 'b', 'c'),)", "('ab',)", "((1, 'a'),)"]
        {
            refuses(wrong, "TypeError", "trailing metadata must be an iterable of tuples");
        }
        refuses("(('a', 1),)", "TypeError", "int");
        refuses("(('a-bin', 'text'),)", "TypeError", "-bin");
    }

    #[test]
    fn what_cannot_be_sent_is_a_value_error() {
        for key in ["''", "'A'", "'a b'", "':path'", "'ä'"] {
            refuses(&format!("(({key}, 'x'),)"), "ValueError", "legal");
        }
        refuses("(('a', 'ä'),)", "ValueError", "visible ASCII");
        refuses("(('a', b'x\\n'),)", "ValueError", "visible ASCII");
    }

    #[test]
    fn headers_become_pairs() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "1S"),
            ("user-agent", "test"),
            ("x", "1"),
            ("x", "2"),
            ("k-bin", "AP8,AP8="),
            ("bad-bin", "!!"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers.append("latin", HeaderValue::from_bytes(b"\xe4").unwrap());
        Python::initialize();
        narthex_pyrt::attach(|py| {
            let pairs = to_python(py, &headers).unwrap();
            let expect = c"(('user-agent', 'test'), ('x', '1'), ('x', '2'), ('k-bin', b'\\x00\\xff'), \
                           ('k-bin', b'\\x00\\xff'), ('bad-bin', b'!!'), ('latin', 'ä'))";
            assert!(pairs.eq(py.eval(expect, None, None).unwrap()).unwrap(), "{pairs}");
            let first = pairs.get_item(0).unwrap();
            assert!(first.getattr("key").unwrap().eq("user-agent").unwrap());
        })
        .unwrap();
    }
}
