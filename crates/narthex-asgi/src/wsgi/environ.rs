//! The environment of a call (PEP 3333, "environ Variables"; RFC 3875 4.1).

use std::net::SocketAddr;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Version, request};
use narthex_wire::{Client, Endpoint, Origin, Scheme};
use percent_encoding::percent_decode_str;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::input::Input;
use crate::scope::{asked_host, joined_cookies};

/// What is the same in every environment.
pub(super) struct EnvironTemplate {
    common: Py<PyDict>,
}

impl EnvironTemplate {
    pub(super) fn new(py: Python<'_>, root_path: &str) -> PyResult<Self> {
        let common = PyDict::new(py);
        common.set_item("SCRIPT_NAME", text(py, &percent_decode_str(root_path).collect::<Vec<_>>()))?;
        common.set_item("wsgi.version", (1, 0))?;
        common.set_item("wsgi.errors", py.import("sys")?.getattr("stderr")?)?;
        common.set_item("wsgi.multithread", true)?;
        common.set_item("wsgi.multiprocess", false)?;
        common.set_item("wsgi.run_once", false)?;
        // The body ends where its file does, declared length or not.
        common.set_item("wsgi.input_terminated", true)?;
        common.set_item("wsgi.file_wrapper", py.import("wsgiref.util")?.getattr("FileWrapper")?)?;
        Ok(Self { common: common.unbind() })
    }

    /// The environment of a request. `length` is that of its body, whether its head says so or not.
    pub(super) fn environ<'py>(
        &self,
        py: Python<'py>,
        head: &request::Parts,
        length: Option<u64>,
        input: Bound<'py, Input>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.common.bind(py).copy()?;
        let origin = head.extensions.get::<Origin>();
        let path = head.uri.path();
        let query = head.uri.query().unwrap_or_default();
        environ.set_item(intern!(py, "REQUEST_METHOD"), head.method.as_str())?;
        environ
            .set_item(intern!(py, "PATH_INFO"), text(py, &percent_decode_str(path).collect::<Vec<_>>()))?;
        environ.set_item(intern!(py, "QUERY_STRING"), text(py, query.as_bytes()))?;
        let target = head.uri.path_and_query().map_or(path, |target| target.as_str());
        environ.set_item(intern!(py, "REQUEST_URI"), text(py, target.as_bytes()))?;
        environ.set_item(intern!(py, "SERVER_PROTOCOL"), protocol(head.version))?;
        let scheme = origin.map_or(Scheme::Http, |origin| origin.scheme);
        environ.set_item(intern!(py, "wsgi.url_scheme"), scheme.as_str())?;
        environ.set_item(intern!(py, "wsgi.input"), input)?;
        ends(&environ, origin, scheme)?;
        headers(&environ, head, origin)?;
        // None in a request that has no body is what other servers give it too.
        if let Some(length) = length.filter(|length| *length > 0) {
            environ.set_item(intern!(py, "CONTENT_LENGTH"), length.to_string())?;
        }
        Ok(environ)
    }
}

/// Bytes as WSGI has them in strings.
fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(ascii) if bytes.is_ascii() => PyString::new(py, ascii),
        _ => PyString::new(py, &bytes.iter().copied().map(char::from).collect::<String>()),
    }
}

/// By the grammar of RFC 3875 4.1.16, which has two numbers.
const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// Client and server.
fn ends(environ: &Bound<'_, PyDict>, origin: Option<&Origin>, scheme: Scheme) -> PyResult<()> {
    let py = environ.py();
    // Neither may be missing or empty (PEP 3333), which a UNIX socket has no idea of.
    let (name, port) = match origin.map(|origin| &origin.connection.local) {
        // As in a URL, which is made of it (RFC 3875 4.1.14).
        Some(Endpoint::Tcp(SocketAddr::V6(address))) => (format!("[{}]", address.ip()), address.port()),
        Some(Endpoint::Tcp(address)) => (address.ip().to_string(), address.port()),
        Some(Endpoint::Unix(_)) | None => {
            ("localhost".to_owned(), if scheme == Scheme::Https { 443 } else { 80 })
        }
    };
    environ.set_item(intern!(py, "SERVER_NAME"), name)?;
    environ.set_item(intern!(py, "SERVER_PORT"), port.to_string())?;
    let client = origin.map(|origin| &origin.client);
    // Who comes by a UNIX socket has no address; applications expect the name to be there all the same.
    let address = client.and_then(Client::ip).map_or_else(String::new, |ip| ip.to_string());
    environ.set_item(intern!(py, "REMOTE_ADDR"), address)?;
    if let Some(Client::Peer(Endpoint::Tcp(peer))) = client {
        environ.set_item(intern!(py, "REMOTE_PORT"), peer.port().to_string())?;
    }
    Ok(())
}

fn headers(environ: &Bound<'_, PyDict>, head: &request::Parts, origin: Option<&Origin>) -> PyResult<()> {
    let py = environ.py();
    for name in head.headers.keys() {
        let Some(variable) = variable(name) else { continue };
        let value = if name == COOKIE {
            joined_cookies(&head.headers)
        } else {
            let values: Vec<&[u8]> = head.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            values.join(&b","[..])
        };
        environ.set_item(variable, text(py, &value))?;
    }
    if let Some(host) = asked_host(head, origin) {
        environ.set_item(intern!(py, "HTTP_HOST"), text(py, host))?;
    }
    Ok(())
}

/// The name of a header's variable; none where the header could pass for another one, or would mislead.
fn variable(name: &HeaderName) -> Option<String> {
    if name == CONTENT_TYPE {
        return Some("CONTENT_TYPE".to_owned());
    }
    if name == CONTENT_LENGTH {
        return Some("CONTENT_LENGTH".to_owned());
    }
    // `x_user` would be `x-user`, which a proxy in front may have checked; and HTTP_PROXY is a setting of HTTP clients, which
    // a request must not make (CVE-2016-5385).
    // The chunks of a body are joined by the time the application reads it; who believes this header takes them apart again.
    if name.as_str().contains('_') || name == "proxy" || name == TRANSFER_ENCODING {
        return None;
    }
    Some(format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_")))
}
