//! When descriptors run out: accept says so, the connection waits, and it is accepted once there is room.

use std::net::TcpStream;
use std::process::Command;

use narthex_reactor::net::is_exhaustion;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::outer::{Outer, output};

const CHILD: &str = "NARTHEX_REACTOR_LIMITS_CHILD";

/// In a process of its own, for the limit counts for all of its threads.
#[test]
fn accept_survives_emfile() {
    if std::env::var_os(CHILD).is_some() {
        return exhaust();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "limits::accept_survives_emfile", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

fn exhaust() {
    let outer = Outer::new();
    let (listener, address) = crate::sockets::tcp(&outer.reactor);
    let _client = TcpStream::connect(address).unwrap();
    let next = std::fs::File::open("/dev/null").unwrap();
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&next)).unwrap());
    drop(next);
    setrlimit(Resource::Nofile, limit).unwrap();

    let reactor = outer.reactor.clone();
    let server = outer.reactor.spawn(async move {
        let error = listener.accept().await.unwrap_err();
        assert!(is_exhaustion(&error), "{error}");
        let mut pauses = 0;
        loop {
            match listener.accept().await {
                Ok(stream) => return (stream, pauses),
                Err(error) => assert!(is_exhaustion(&error), "{error}"),
            }
            pauses += 1;
            reactor.sleep(std::time::Duration::from_millis(2)).await;
        }
    });
    let mut rounds = 0;
    outer.run_until(|| {
        rounds += 1;
        if rounds == 5 {
            let mut limit = getrlimit(Resource::Nofile);
            limit.current = limit.maximum;
            setrlimit(Resource::Nofile, limit).unwrap();
        }
        server.is_finished()
    });
    let (_stream, pauses) = output(server);
    assert!(pauses > 0, "it failed, paused, and went on");
    outer.settle();
}
