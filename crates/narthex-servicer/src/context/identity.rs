//! Who the client is, in the words of grpc's authentication context.

use narthex_wire::{AlternativeName, ClientCertificate, Connection, Security};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

const NAMES: &str = "x509_subject_alternative_name";
const COMMON_NAME: &str = "x509_common_name";

fn certificate(connection: &Connection) -> Option<&ClientCertificate> {
    connection.security.as_ref()?.client.as_ref()
}

/// The property that tells clients from each other: grpc prefers the alternative names.
pub(super) fn key(connection: &Connection) -> Option<&'static str> {
    let certificate = certificate(connection)?;
    match (&*certificate.alternative_names, &certificate.common_name) {
        ([_, ..], _) => Some(NAMES),
        ([], Some(_)) => Some(COMMON_NAME),
        ([], None) => None,
    }
}

/// The values of that property.
pub(super) fn identities<'py>(py: Python<'py>, connection: &Connection) -> Option<Vec<Bound<'py, PyBytes>>> {
    let certificate = certificate(connection)?;
    let bytes = |text: &str| PyBytes::new(py, text.as_bytes());
    match key(connection)? {
        NAMES => Some(certificate.alternative_names.iter().map(|name| bytes(&name.to_string())).collect()),
        _ => Some(certificate.common_name.iter().map(|name| bytes(name)).collect()),
    }
}

/// All that is known of the connection's security: names, each with a list of `bytes`.
pub(super) fn auth_context<'py>(
    py: Python<'py>,
    connection: Option<&Connection>,
) -> PyResult<Bound<'py, PyDict>> {
    let context = PyDict::new(py);
    let put = |key: &str, value: &[u8]| context.set_item(key, [PyBytes::new(py, value)]);
    let Some(security) = connection.and_then(|connection| connection.security.as_ref()) else {
        put("transport_security_type", b"insecure")?;
        put("security_level", b"TSI_SECURITY_NONE")?;
        return Ok(context);
    };
    put("transport_security_type", b"ssl")?;
    put("security_level", b"TSI_PRIVACY_AND_INTEGRITY")?;
    put("ssl_session_reused", if security.resumed { b"true" } else { b"false" })?;
    if let Some(version) = version(security) {
        put("ssl_tls_version", version)?;
    }
    if let Some(group) = security.key_exchange_group {
        put("ssl_negotiated_key_exchange_group", group.as_bytes())?;
    }
    let Some(client) = &security.client else { return Ok(context) };
    put("x509_subject", client.subject.as_bytes())?;
    if let Some(name) = &client.common_name {
        put(COMMON_NAME, name.as_bytes())?;
    }
    if !client.alternative_names.is_empty() {
        let all = client.alternative_names.iter();
        let names = all.clone().map(|name| PyBytes::new(py, name.to_string().as_bytes()));
        context.set_item(NAMES, PyList::new(py, names)?)?;
        for kind in ["peer_dns", "peer_ip", "peer_uri", "peer_email"] {
            let names: Vec<_> = all.clone().filter(|name| kind_of(name) == kind).collect();
            if !names.is_empty() {
                let names = names.into_iter().map(|name| PyBytes::new(py, name.to_string().as_bytes()));
                context.set_item(kind, PyList::new(py, names)?)?;
            }
        }
    }
    let pem = py.import("ssl")?.getattr("DER_cert_to_PEM_cert")?;
    let mut chain = String::new();
    for certificate in &client.chain {
        let text: String = pem.call1((PyBytes::new(py, certificate),))?.extract()?;
        if chain.is_empty() {
            put("x509_pem_cert", text.as_bytes())?;
        }
        chain.push_str(&text);
    }
    put("x509_pem_cert_chain", chain.as_bytes())?;
    Ok(context)
}

/// The property that has the names of this kind alone.
fn kind_of(name: &AlternativeName) -> &'static str {
    match name {
        AlternativeName::Dns(_) => "peer_dns",
        AlternativeName::Ip(_) => "peer_ip",
        AlternativeName::Uri(_) => "peer_uri",
        AlternativeName::Email(_) => "peer_email",
    }
}

fn version(security: &Security) -> Option<&'static [u8]> {
    match security.version {
        0x0303 => Some(b"TLSv1.2"),
        0x0304 => Some(b"TLSv1.3"),
        _ => None,
    }
}
