//! What the service learns of where a request comes from.

use narthex_edge::{Config, Trusted};

use crate::harness::Server;

const FORWARDED: &str = "GET /origin HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 6.6.6.6, 203.0.113.9\r\n\
                         x-forwarded-proto: https\r\nx-forwarded-host: shop.example\r\n\r\n";

#[test]
fn a_local_proxy_is_believed() {
    let server = Server::start();
    let mut client = server.connect();
    client.write(FORWARDED);
    assert_eq!(client.response().body, "203.0.113.9 https Some(\"shop.example\")");
    client.write("GET /origin HTTP/1.1\r\nhost: a\r\n\r\n");
    let own = client.stream.local_addr().unwrap();
    assert_eq!(client.response().body, format!("{own} http None"));
}

#[test]
fn nobody_is_believed_when_nobody_is_trusted() {
    let server = Server::with(Config { trusted: Trusted::nobody(), ..Config::default() });
    let mut client = server.connect();
    client.write(FORWARDED);
    let own = client.stream.local_addr().unwrap();
    assert_eq!(client.response().body, format!("{own} http None"));
}
