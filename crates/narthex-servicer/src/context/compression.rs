//! What Python calls compressions.

use narthex_wire::Encoding;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The encoding that a `grpc.Compression`, its number, or a name (`"zstd"`) stands for; `None` is no compression.
///
/// # Errors
///
/// `ValueError` for anything else.
pub fn encoding(compression: &Bound<'_, PyAny>) -> PyResult<Encoding> {
    if compression.is_none() {
        return Ok(Encoding::Identity);
    }
    let known = match compression.cast::<PyString>() {
        Ok(name) => Encoding::from_name(name.to_str()?.as_bytes()),
        Err(_) => match compression.extract::<u8>() {
            Ok(0) => Some(Encoding::Identity),
            Ok(1) => Some(Encoding::Deflate),
            Ok(2) => Some(Encoding::Gzip),
            _ => None,
        },
    };
    known.ok_or_else(|| {
        let names = Encoding::ALL.map(Encoding::name).join(", ");
        let given = compression.repr().map_or_else(|_| "this".to_owned(), |repr| repr.to_string());
        PyValueError::new_err(format!(
            "compression must be a grpc.Compression or one of the names {names}, not {given}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_numbers_or_names() {
        Python::initialize();
        narthex_pyrt::attach(|py| {
            for (given, expect) in [
                (c"None", Encoding::Identity),
                (c"0", Encoding::Identity),
                (c"1", Encoding::Deflate),
                (c"2", Encoding::Gzip),
                (c"'zstd'", Encoding::Zstd),
                (c"'br'", Encoding::Brotli),
            ] {
                assert_eq!(encoding(&py.eval(given, None, None).unwrap()).unwrap(), expect);
            }
            for wrong in [c"3", c"-1", c"'snappy'", c"b'gzip'"] {
                assert!(encoding(&py.eval(wrong, None, None).unwrap()).is_err());
            }
        })
        .unwrap();
    }
}
