//! What happens when descriptors run out; in a process of its own, for the limit is the process's.

use std::fs::File;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::Server;

const CHILD: &str = "NARTHEX_EDGE_EXHAUSTED";

#[test]
fn connections_wait_until_descriptors_are_free() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let name = "exhaustion::connections_wait_until_descriptors_are_free";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}\n{}", String::from_utf8_lossy(&child.stdout));
}

fn child() {
    const ASK: &str = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
    let server = Server::start();
    let mut early = server.connect();
    early.write(ASK);
    assert_eq!(early.response().body, "hello");
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: limit.maximum }).unwrap();
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // The one that is free now is the client's own end, so there is none for the server's.
    hoard.pop();
    let mut late = server.connect();
    late.write(ASK);
    early.write(ASK);
    assert_eq!(early.response().body, "hello");
    drop(hoard);
    assert_eq!(late.response().body, "hello");
}
