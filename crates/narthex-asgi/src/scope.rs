//! The connection scope of an HTTP request (ASGI HTTP specification 2.5, "HTTP Connection Scope").

use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderValue, Method, Version, request};
use narthex_wire::{Origin, Scheme};
use percent_encoding::percent_decode_str;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::ends::Begun;

/// The version of the HTTP specification that the scope announces: 2.4 and later promise that `send` raises `OSError` once
/// the client is gone.
const SPEC_VERSION: &str = "2.5";

/// What is the same in every scope, or in most.
pub(crate) struct ScopeTemplate {
    begun: Begun,
    /// `scope["asgi"]`, which each scope has a copy of: an application may write into its own.
    asgi: Py<PyDict>,
    root_path: String,
}

impl ScopeTemplate {
    pub(crate) fn new(py: Python<'_>, root_path: String) -> PyResult<Self> {
        let asgi = PyDict::new(py);
        asgi.set_item("version", "3.0")?;
        asgi.set_item("spec_version", SPEC_VERSION)?;
        let common = PyDict::new(py);
        common.set_item(intern!(py, "type"), intern!(py, "http"))?;
        common.set_item(intern!(py, "asgi"), &asgi)?;
        common.set_item(intern!(py, "root_path"), &root_path)?;
        // Insertion order is what a reader of a printed scope sees; what differs from this follows with each request.
        common.set_item(intern!(py, "http_version"), intern!(py, "1.1"))?;
        common.set_item(intern!(py, "method"), intern!(py, "GET"))?;
        common.set_item(intern!(py, "scheme"), intern!(py, "http"))?;
        for name in [intern!(py, "path"), intern!(py, "raw_path")] {
            common.set_item(name, py.None())?;
        }
        common.set_item(intern!(py, "query_string"), PyBytes::new(py, b""))?;
        for name in
            [intern!(py, "headers"), intern!(py, "client"), intern!(py, "server"), intern!(py, "state")]
        {
            common.set_item(name, py.None())?;
        }
        Ok(Self { begun: Begun::new(common), asgi: asgi.unbind(), root_path })
    }

    /// The scope of a request.
    pub(crate) fn scope<'py>(
        &self,
        py: Python<'py>,
        head: &request::Parts,
        state: &Py<PyDict>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let origin = head.extensions.get::<Origin>();
        let scope = self.begun.scope(py, origin)?;
        scope.set_item(intern!(py, "asgi"), self.asgi.bind(py).copy()?)?;
        if head.version != Version::HTTP_11 {
            scope.set_item(intern!(py, "http_version"), http_version(py, head.version))?;
        }
        if head.method != Method::GET {
            scope.set_item(intern!(py, "method"), method(py, &head.method))?;
        }
        if origin.is_some_and(|origin| origin.scheme == Scheme::Https) {
            scope.set_item(intern!(py, "scheme"), intern!(py, "https"))?;
        }
        let path = head.uri.path();
        scope.set_item(intern!(py, "path"), self.path(py, path))?;
        scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, path.as_bytes()))?;
        if let Some(query) = head.uri.query() {
            scope.set_item(intern!(py, "query_string"), PyBytes::new(py, query.as_bytes()))?;
        }
        scope.set_item(intern!(py, "headers"), headers(py, head, origin)?)?;
        scope.set_item(intern!(py, "state"), state.bind(py).copy()?)?;
        Ok(scope)
    }

    /// The decoded path, under the root path (ASGI counts that as a part of `path`).
    fn path<'py>(&self, py: Python<'py>, path: &str) -> Bound<'py, PyString> {
        if self.root_path.is_empty() && !path.contains('%') && path.is_ascii() {
            return PyString::new(py, path);
        }
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        PyString::new(py, &format!("{}{decoded}", self.root_path))
    }
}

fn http_version(py: Python<'_>, version: Version) -> &Bound<'_, PyString> {
    match version {
        Version::HTTP_2 => intern!(py, "2"),
        Version::HTTP_10 => intern!(py, "1.0"),
        _ => intern!(py, "1.1"),
    }
}

fn method<'py>(py: Python<'py>, method: &Method) -> Bound<'py, PyString> {
    match *method {
        Method::POST => intern!(py, "POST").clone(),
        // The specification wants upper case; methods are case-sensitive on the wire, so this concerns odd ones only.
        _ => PyString::new(py, &method.as_str().to_ascii_uppercase()),
    }
}

/// The host where the request carried it elsewhere than in a header: `:authority` (RFC 9113 8.3.1), an absolute-form target
/// (RFC 9112 3.2.2), a trusted proxy's X-Forwarded-Host.
pub(crate) fn asked_host<'a>(head: &'a request::Parts, origin: Option<&'a Origin>) -> Option<&'a [u8]> {
    let forwarded = origin.and_then(|origin| origin.host.as_ref()).map(HeaderValue::as_bytes);
    forwarded.or_else(|| head.uri.authority().map(|authority| authority.as_str().as_bytes()))
}

/// The headers as pairs of byte strings. The host comes first where the request carried it elsewhere.
fn headers<'py>(
    py: Python<'py>,
    head: &request::Parts,
    origin: Option<&Origin>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    let host = asked_host(head, origin);
    if let Some(host) = host {
        list.append(pair(py, b"host", host)?)?;
    }
    let join_cookies =
        head.version == Version::HTTP_2 && head.headers.get_all(COOKIE).iter().nth(1).is_some();
    for (name, value) in &head.headers {
        if (host.is_some() && name == HOST) || (join_cookies && name == COOKIE) {
            continue;
        }
        list.append(pair(py, name.as_str().as_bytes(), value.as_bytes())?)?;
    }
    if join_cookies {
        list.append(pair(py, b"cookie", &joined_cookies(&head.headers))?)?;
    }
    Ok(list)
}

/// RFC 9113 8.2.3: the crumbs of an HTTP/2 cookie are one field for whoever is not HTTP/2.
pub(crate) fn joined_cookies(headers: &HeaderMap) -> Vec<u8> {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    crumbs.join(&b"; "[..])
}

fn pair<'py>(py: Python<'py>, name: &[u8], value: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, [PyBytes::new(py, name), PyBytes::new(py, value)])
}
