//! UNIX sockets, names and TLS.

use std::path::PathBuf;
use std::sync::Arc;

use h2::server::Builder;
use narthex_reactor::net::{Listener, TcpOptions};
use narthex_upstream::{Options, Trust, TrustError, Upstream};
use narthex_wire::Code;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::harness::{assert_serves, call, run, upstream};
use crate::peer::Peer;

struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn by_a_unix_socket() {
    run(|reactor| async move {
        let file = File(std::env::temp_dir().join(format!("narthex-upstream-{}", std::process::id())));
        let peer = Peer::on(&reactor, Listener::bind_unix(&file.0).unwrap(), Builder::new());
        let upstream = upstream(&reactor, &peer.address, Options::default());
        assert_serves(&upstream).await;
        let answer = call(&upstream, "Head", b"x").await;
        assert!(answer.data.starts_with(b":authority: localhost\n"), "{:?}", answer.data);
    });
}

#[test]
fn by_a_name() {
    run(|reactor| async move {
        let peer = Peer::start(&reactor);
        let named = peer.address.replace("127.0.0.1", "localhost");
        assert_serves(&upstream(&reactor, &named, Options::default())).await;
        let unknown = upstream(&reactor, "http://no-such-host.invalid", Options::default());
        call(&unknown, "Echo", b"x")
            .await
            .assert_fails(Code::Unavailable, "the upstream http://no-such-host.invalid cannot be reached");
    });
}

/// An upstream by TLS that agrees to one of these protocols, and the authority of its certificate as PEM.
fn secure(reactor: &narthex_reactor::Reactor, protocols: &[&[u8]]) -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let mut listener = Listener::bind_tcp("127.0.0.1:0".parse().unwrap(), TcpOptions::default()).unwrap();
    listener.listen(reactor, 16).unwrap();
    let address = format!("https://{}", listener.local_addr()).replace("127.0.0.1", "localhost");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let task = async move {
        while let Ok(stream) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let head = http::Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "0")
                    .body(());
                respond.send_response(head.unwrap(), true).unwrap();
            }
        }
    };
    reactor.spawn(task).detach();
    (address, cert.pem())
}

#[test]
fn by_tls_with_a_certificate_that_is_believed() {
    run(|reactor| async move {
        let (address, pem) = secure(&reactor, &[b"h2"]);
        let trust = Trust::from_pem(pem.as_bytes()).unwrap();
        let upstream = Upstream::new(&reactor, address.parse().unwrap(), trust, Options::default());
        assert_eq!(call(&upstream, "Any", b"x").await.status.code(), Code::Ok);
    });
}

#[test]
fn a_certificate_that_is_not_believed_is_unavailable() {
    run(|reactor| async move {
        let (address, _) = secure(&reactor, &[b"h2"]);
        let (_, other) = secure(&reactor, &[b"h2"]);
        let trust = Trust::from_pem(other.as_bytes()).unwrap();
        let upstream = Upstream::new(&reactor, address.parse().unwrap(), trust, Options::default());
        let answer = call(&upstream, "Any", b"x").await;
        answer.assert_fails(Code::Unavailable, "TLS cannot be agreed on: invalid peer certificate");
    });
}

#[test]
fn tls_without_http2_is_unavailable() {
    run(|reactor| async move {
        let (address, pem) = secure(&reactor, &[]);
        let trust = Trust::from_pem(pem.as_bytes()).unwrap();
        let upstream = Upstream::new(&reactor, address.parse().unwrap(), trust, Options::default());
        call(&upstream, "Any", b"x").await.assert_fails(Code::Unavailable, "does not speak HTTP/2 over TLS");
    });
}

#[test]
fn what_is_no_authority() {
    assert_eq!(Trust::from_pem(b"nothing").unwrap_err(), TrustError::NoCertificate);
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(Trust::from_pem(broken), Err(TrustError::BadCertificate(_))));
}
