//! Who a client's certificate says it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use narthex_wire::{AlternativeName, ClientCertificate};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Decode as _, Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Reads a verified chain, the client's own certificate first; names that cannot be read are left out.
pub(super) fn certificate(chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
    let first = chain.first()?;
    let mut read = ClientCertificate {
        chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
        ..ClientCertificate::default()
    };
    if let Ok(parsed) = Certificate::from_der(first) {
        let subject = &parsed.tbs_certificate.subject;
        read.subject = subject.to_string();
        read.common_name =
            subject.0.iter().flat_map(|part| part.0.iter()).find_map(common_name).map(str::to_owned);
        if let Ok(Some((_, SubjectAltName(names)))) = parsed.tbs_certificate.get::<SubjectAltName>() {
            read.alternative_names = names.iter().filter_map(alternative_name).collect();
        }
    }
    Some(read)
}

fn common_name(attribute: &AttributeTypeAndValue) -> Option<&str> {
    if attribute.oid != COMMON_NAME {
        return None;
    }
    match attribute.value.tag() {
        Tag::Utf8String => attribute.value.decode_as::<Utf8StringRef<'_>>().ok().map(|name| name.as_str()),
        Tag::PrintableString => {
            attribute.value.decode_as::<PrintableStringRef<'_>>().ok().map(|name| name.as_str())
        }
        Tag::TeletexString => {
            attribute.value.decode_as::<TeletexStringRef<'_>>().ok().map(|name| name.as_str())
        }
        _ => None,
    }
}

fn alternative_name(name: &GeneralName) -> Option<AlternativeName> {
    match name {
        GeneralName::DnsName(name) => Some(AlternativeName::Dns(name.as_str().to_owned())),
        GeneralName::UniformResourceIdentifier(name) => Some(AlternativeName::Uri(name.as_str().to_owned())),
        GeneralName::Rfc822Name(name) => Some(AlternativeName::Email(name.as_str().to_owned())),
        GeneralName::IpAddress(address) => ip(address.as_bytes()).map(AlternativeName::Ip),
        _ => None,
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))).ok()
}
