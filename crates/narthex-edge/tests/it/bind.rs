//! Claiming addresses.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use narthex_edge::{Bind, BindProblem, Bound, Config, TcpOptions};
use narthex_reactor::Reactor;
use narthex_wire::{Endpoint, Scheme};

use crate::harness::{Seen, TestService, bound, drive, eventually};

/// A folder that goes when this does.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("narthex-edge-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn unix(path: &Path) -> Result<Bound, BindProblem> {
    let mut bound = Bound::default();
    bound.bind(&Bind::Unix(path.to_owned()), TcpOptions::default(), None)?;
    Ok(bound)
}

#[test]
fn all_problems_are_reported_with_what_to_do() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let folder = Folder::new();
    fs::write(folder.file("plain"), "").unwrap();
    let binds = [
        Bind::Tcp(taken),
        Bind::Tcp("192.0.2.1:0".parse().unwrap()),
        Bind::Unix(folder.file("plain")),
        Bind::Unix(folder.file("none/such")),
        Bind::Unix(folder.file(&"x".repeat(120))),
        Bind::Tcp("127.0.0.1:0".parse().unwrap()),
    ];
    let mut bound = Bound::default();
    let tried = binds.iter().map(|bind| bound.bind(bind, TcpOptions::default(), None));
    let problems: Vec<_> = tried.filter_map(Result::err).collect();
    assert_eq!(bound.local().count(), 1);
    let messages: Vec<_> = problems.iter().map(|problem| problem.message().to_owned()).collect();
    assert_eq!(
        messages,
        [
            format!("port {} is taken by another process", taken.port()).as_str(),
            "no network interface of this machine has this address",
            "there is a file of this name, and it is not a socket",
            "the folder does not exist",
            "the path is too long for a UNIX socket, which allows 107 bytes",
        ]
    );
    assert_eq!(problems[0].place(), taken.to_string());
    assert!(problems[0].hint().contains("--bind") && problems[2].hint().contains("--uds"));
    assert_eq!(problems[0].to_string().lines().count(), 1);
    assert!(folder.file("plain").exists());
}

#[test]
fn nobody_can_connect_before_it_is_served() {
    let reactor = Reactor::new().unwrap();
    let (bound, address) = bound(None);
    assert!(TcpStream::connect(address).is_err());
    let serving = bound.serve(&reactor, TestService { seen: Seen::default() }, Config::default()).unwrap();
    assert!(TcpStream::connect(address).is_ok());
    drop(serving);
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let folder = Folder::new();
    let path = folder.file("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file behind");
    let bound = unix(&path).unwrap();
    let local: Vec<_> = bound.local().collect();
    assert_eq!(local, [(Endpoint::Unix(Some(path.clone())), Scheme::Http)]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    drop(bound);
    assert!(!path.exists(), "its file goes with it");
    let live = UnixListener::bind(&path).unwrap();
    let problem = unix(&path).unwrap_err();
    assert_eq!(problem.message(), "another server listens on this socket");
    assert!(path.exists());
    drop(live);
}

#[test]
fn a_unix_socket_is_served_and_goes_when_drained() {
    let reactor = Reactor::new().unwrap();
    let folder = Folder::new();
    let path = folder.file("s");
    let bound = unix(&path).unwrap();
    let serving = bound.serve(&reactor, TestService { seen: Seen::default() }, Config::default()).unwrap();
    let (stop, thread) = drive(&reactor);
    let mut client = UnixStream::connect(&path).unwrap();
    client
        .write_all(
            b"GET /origin HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.9\r\nconnection: close\r\n\r\n",
        )
        .unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    assert!(said.ends_with("203.0.113.9 http None"), "a local peer is trusted: {said:?}");
    serving.drain();
    let gone = path.clone();
    eventually(move || !gone.exists());
    assert!(UnixStream::connect(&path).is_err());
    stop.store(true, Ordering::Relaxed);
    reactor.interrupt();
    thread.join().unwrap();
}

#[test]
fn another_servers_file_is_left_alone() {
    let folder = Folder::new();
    let path = folder.file("s");
    let bound = unix(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let successor = UnixListener::bind(&path).unwrap();
    drop(bound);
    assert!(path.exists());
    drop(successor);
}
