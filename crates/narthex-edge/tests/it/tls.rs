//! TLS as clients see it, which are rustls's own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use narthex_edge::{ClientAuth, Config, Identity, Terms, Tls, TlsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{PATIENCE, Server};

struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Pem {
    key: String,
    chain: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, name: &str) -> Pem {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("CN of {name}"));
        params.subject_alt_names.push(SanType::IpAddress("192.0.2.7".parse().unwrap()));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pem { key: key.serialize_pem(), chain: certificate.pem() }
    }
}

fn identity(pem: &Pem) -> Identity {
    Identity::from_pem(pem.key.as_bytes(), pem.chain.as_bytes()).unwrap()
}

fn tls(identities: &[&Pem], clients: ClientAuth<'_>) -> Tls {
    Tls::new(Terms::new(identities.iter().map(|pem| identity(pem)).collect(), clients).unwrap())
}

struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    fn new(
        server: &Server,
        authority: &Authority,
        name: &'static str,
        alpn: &[&str],
        own: Option<&Pem>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(pem) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(pem.chain.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let session = ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(StreamOwned::new(session, stream))
    }

    /// What the server says to a request, to its end.
    fn get(&mut self, path: &str) -> std::io::Result<String> {
        write!(self.0, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        let mut said = String::new();
        self.0.read_to_string(&mut said)?;
        Ok(said)
    }

    fn protocol(&self) -> Option<&[u8]> {
        self.0.conn.alpn_protocol()
    }
}

#[test]
fn http1_over_tls() {
    let authority = Authority::new();
    let server = Server::secure(tls(&[&authority.sign("localhost")], ClientAuth::No), Config::default());
    for alpn in [["http/1.1"].as_slice(), &[]] {
        let mut client = Secure::new(&server, &authority, "localhost", alpn, None);
        let said = client.get("/origin").unwrap();
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains(" https "), "{said}");
        assert_eq!(client.protocol(), alpn.first().map(|protocol| protocol.as_bytes()));
    }
}

#[test]
fn http2_is_preferred_and_needs_no_preface_to_be_told() {
    let authority = Authority::new();
    let server = Server::secure(tls(&[&authority.sign("localhost")], ClientAuth::No), Config::default());
    let mut client = Secure::new(&server, &authority, "localhost", &["http/1.1", "h2"], None);
    // The server's SETTINGS come first, whatever the client says.
    let mut head = [0; 9];
    client.0.flush().unwrap();
    client.0.read_exact(&mut head).unwrap();
    assert_eq!(head[3], 4);
    assert_eq!(client.protocol(), Some(b"h2".as_slice()));
}

#[test]
fn a_large_body_is_written_in_full() {
    let authority = Authority::new();
    let server = Server::secure(tls(&[&authority.sign("localhost")], ClientAuth::No), Config::default());
    let mut client = Secure::new(&server, &authority, "localhost", &[], None);
    let body = "x".repeat(5_000_000);
    write!(
        client.0,
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut said = String::new();
    client.0.read_to_string(&mut said).unwrap();
    assert!(said.ends_with(&body), "{} bytes", said.len());
}

#[test]
fn the_certificate_is_the_one_that_the_client_asks_for() {
    let authority = Authority::new();
    let (first, second) = (authority.sign("first.example"), authority.sign("second.example"));
    let server = Server::secure(tls(&[&first, &second], ClientAuth::No), Config::default());
    for name in ["first.example", "second.example"] {
        let said = Secure::new(&server, &authority, name, &[], None).get("/hello").unwrap();
        assert!(said.ends_with("hello"), "{name}: {said}");
    }
    Secure::new(&server, &authority, "third.example", &[], None).get("/hello").unwrap_err();
}

#[test]
fn clients_certificates() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let own = authority.sign("localhost");
    let (client, foreign) = (authority.sign("client.example"), stranger.sign("client.example"));
    let pem = authority.pem();
    for (clients, without) in
        [(ClientAuth::Required(pem.as_bytes()), false), (ClientAuth::Optional(pem.as_bytes()), true)]
    {
        let server = Server::secure(tls(&[&own], clients), Config::default());
        let ask = |own| Secure::new(&server, &authority, "localhost", &[], own).get("/client");
        assert_eq!(ask(None).is_ok(), without);
        ask(Some(&foreign)).unwrap_err();
        let said = ask(Some(&client)).unwrap();
        let expect = r#"CN=CN of client.example Some("CN of client.example") [Dns("client.example"), Ip(192.0.2.7)] 1"#;
        assert!(said.ends_with(expect), "{said}");
    }
}

#[test]
fn who_speaks_no_tls_is_told() {
    let authority = Authority::new();
    let server = Server::secure(tls(&[&authority.sign("localhost")], ClientAuth::No), Config::default());
    let said = server.say("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{said}");
    assert!(said.ends_with("\r\n\r\nThis port speaks TLS: use https in the URL.\n"), "{said}");
    let said = server.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
}

#[test]
fn rubbish_gets_an_alert() {
    let authority = Authority::new();
    let server = Server::secure(tls(&[&authority.sign("localhost")], ClientAuth::No), Config::default());
    let mut client = server.connect();
    client.write([22, 3, 1, 0, 4, 1, 0, 0, 0]);
    let mut said = Vec::new();
    client.stream.read_to_end(&mut said).unwrap();
    assert_eq!(said.first(), Some(&21), "an alert: {said:?}");
}

#[test]
fn a_slow_handshake_is_cut_off() {
    let short = Duration::from_millis(100);
    let authority = Authority::new();
    let config = Config { handshake_timeout: short, ..Config::default() };
    let server = Server::secure(tls(&[&authority.sign("localhost")], ClientAuth::No), config);
    for begun in [[].as_slice(), &[22, 3, 1]] {
        let start = Instant::now();
        let mut client = server.connect();
        client.write(begun);
        client.assert_closed();
        assert!(start.elapsed() >= short);
    }
}

#[test]
fn what_cannot_be_used_is_told() {
    let authority = Authority::new();
    let (one, other) = (authority.sign("a"), authority.sign("b"));
    let check = |key: &str, chain: &str, expect: TlsError| {
        assert_eq!(Identity::from_pem(key.as_bytes(), chain.as_bytes()).unwrap_err(), expect);
    };
    check(&one.key, &other.chain, TlsError::Mismatch);
    check(&one.key, &one.key, TlsError::NoCertificate);
    check(&one.chain, &one.chain, TlsError::NoKey);
    check("", "", TlsError::NoCertificate);
    let none = Terms::new(vec![identity(&one)], ClientAuth::Required(b"none"));
    assert_eq!(none.unwrap_err(), TlsError::NoAuthority);
}

/// Of `openssl x509 -req` without extensions, and the key that it belongs to: of no use but here.
const VERSION_1: (&str, &str) = (
    "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFPpiojSKF1BTgZi2
hYkpg/3Nq7Na2lfT7F2BHK2xzpOhRANCAAR/1Kv1SuS2xv8rG/Ob4J4L+xRx9ftO
wPp3n/Wc8uOVqruOtl6xvf9TfKXrtL5OZAyqeVNZsRy1fXa+ECnJm9w/
-----END PRIVATE KEY-----
",
    "\
-----BEGIN CERTIFICATE-----
MIIBJDCBywIUYk1D7DldNO3e6MX1tRslYiZqgR0wCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTAwNDAzN1oYDzIxMjYxMTA1MDA0MDM3
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAR/1Kv1SuS2xv8rG/Ob4J4L+xRx9ftOwPp3n/Wc8uOVqruOtl6xvf9TfKXrtL5O
ZAyqeVNZsRy1fXa+ECnJm9w/MAoGCCqGSM49BAMCA0gAMEUCICwt+0YhvmNx1WEn
PugRcJnsn3uD/PYx/KT5YAOtp/sdAiEAwandiUdZ1VkOBYqLJFDRd+WI2b+Jji3Y
2jWImojiPcU=
-----END CERTIFICATE-----
",
);

#[test]
fn certificates_of_version_1_are_shown() {
    let (key, chain) = VERSION_1;
    let server = Server::secure(
        tls(&[&Pem { key: key.to_owned(), chain: chain.to_owned() }], ClientAuth::No),
        Config::default(),
    );
    // rustls cannot be made to believe it, which it says once it has seen it.
    let authority = Authority::new();
    let error =
        Secure::new(&server, &authority, "localhost", &["h2"], None).get("/hello").unwrap_err().to_string();
    assert!(error.contains("UnsupportedCertVersion"), "{error}");
    let other = authority.sign("localhost");
    let mixed = Identity::from_pem(other.key.as_bytes(), chain.as_bytes());
    assert_eq!(mixed.unwrap_err(), TlsError::Mismatch);
}
