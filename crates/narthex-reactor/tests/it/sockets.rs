//! TCP and UNIX sockets under the outer loop.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use narthex_reactor::net::{Addr, Listener, Stream, TcpOptions};
use narthex_reactor::{Budget, Reactor, Turn};

use crate::outer::Outer;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) fn tcp(reactor: &Reactor) -> (Listener, SocketAddr) {
    let mut listener = Listener::bind_tcp(LOCAL, TcpOptions::default()).unwrap();
    listener.listen(reactor, 128).unwrap();
    let Addr::Tcp(address) = *listener.local_addr() else { panic!("a TCP listener has a TCP address") };
    (listener, address)
}

/// A path that is free, and freed when dropped.
struct Path(PathBuf);

impl Path {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("narthex-reactor-{}-{number}", std::process::id())))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Accepts one connection and sends back what it reads, until the peer's end.
async fn echo(listener: Listener) -> io::Result<Addr> {
    let stream = listener.accept().await?;
    let mut buffer = vec![0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            stream.shutdown()?;
            return Ok(stream.peer_addr().clone());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn ask(stream: Stream, question: Vec<u8>) -> io::Result<Vec<u8>> {
    stream.write_all(&question).await?;
    stream.shutdown()?;
    read_to_end(&stream).await
}

/// Reads as hyper does, with room left after each read.
async fn read_to_end(stream: &Stream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let count = poll_fn(|context| stream.poll_read(context, &mut buffer)).await?;
        if count == 0 {
            return Ok(all);
        }
        let mut bytes = [0; 4096];
        let copied = copy(&buffer[..count], &mut bytes);
        all.extend_from_slice(copied);
    }
}

/// The bytes that a read has initialized.
#[expect(unsafe_code, reason = "the read under test initialized them")]
fn copy<'a>(from: &[MaybeUninit<u8>], to: &'a mut [u8]) -> &'a [u8] {
    for (to, from) in to.iter_mut().zip(from) {
        // SAFETY: `poll_read` says that it has initialized all of `from`.
        *to = unsafe { from.assume_init() };
    }
    &to[..from.len()]
}

#[test]
fn echo_over_tcp_from_an_ordinary_client() {
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    let server = outer.reactor.spawn(echo(listener));
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        for round in 0..100_u32 {
            let question = round.to_le_bytes();
            client.write_all(&question).unwrap();
            let mut answer = [0; 4];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(answer, question);
        }
        client.local_addr().unwrap()
    });
    outer.run_until(|| server.is_finished());
    let peer = crate::outer::output(server).unwrap();
    assert_eq!(peer, Addr::Tcp(client.join().unwrap()));
    outer.settle();
}

#[test]
fn echo_over_ipv6_and_unix_with_both_ends_on_the_reactor() {
    let outer = Outer::new();
    let path = Path::new();
    let mut unix = Listener::bind_unix(&path.0).unwrap();
    assert_eq!(*unix.local_addr(), Addr::Unix(Some(path.0.clone())));
    unix.listen(&outer.reactor, 8).unwrap();
    let server = outer.reactor.spawn(echo(unix));
    let (reactor, file) = (outer.reactor.clone(), path.0.clone());
    let answer = outer.block_on(async move {
        let stream = Stream::connect_unix(&reactor, &file).await?;
        assert_eq!(stream.local_addr()?, Addr::Unix(None));
        ask(stream, b"over unix".to_vec()).await
    });
    assert_eq!(answer.unwrap(), b"over unix");
    outer.run_until(|| server.is_finished());
    assert_eq!(crate::outer::output(server).unwrap(), Addr::Unix(None));

    let any = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
    let mut listener = match Listener::bind_tcp(any, TcpOptions::default()) {
        Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => return, // No IPv6 on this machine.
        listener => listener.unwrap(),
    };
    listener.listen(&outer.reactor, 8).unwrap();
    let Addr::Tcp(address) = *listener.local_addr() else { panic!("a TCP address") };
    outer.reactor.spawn(echo(listener)).detach();
    let reactor = outer.reactor.clone();
    let answer = outer
        .block_on(async move { ask(Stream::connect_tcp(&reactor, address).await?, b"six".to_vec()).await });
    assert_eq!(answer.unwrap(), b"six");
    outer.settle();
}

#[test]
fn an_end_right_behind_the_data_is_seen() {
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    for _ in 0..50 {
        // Data and FIN arrive before the reactor looks, so that one event announces both.
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"data").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let stream = accept(&outer, &listener);
        assert_eq!(outer.block_on(async move { read_to_end(&stream).await }).unwrap(), b"data");

        // And the FIN alone, after the data was read.
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"data").unwrap();
        let stream = accept(&outer, &listener);
        let reader = outer.reactor.spawn(async move { read_to_end(&stream).await });
        outer.settle();
        drop(client);
        outer.run_until(|| reader.is_finished());
        assert_eq!(crate::outer::output(reader).unwrap(), b"data");
    }
    outer.settle();
}

#[test]
fn an_end_between_the_event_and_the_read_is_seen() {
    let outer = Outer::new();
    let (near, mut far) = pair(&outer);
    far.write_all(b"data").unwrap();
    // The reader finds the data at its first try; then the end comes while nothing of the task runs.
    let reader = outer.reactor.spawn(async move { read_to_end(&near).await });
    outer.settle();
    far.write_all(b"more").unwrap();
    outer.wait(crate::outer::STALL);
    drop(far);
    outer.run_until(|| reader.is_finished());
    assert_eq!(crate::outer::output(reader).unwrap(), b"datamore");
}

/// A connection over UNIX sockets, one end on the reactor.
pub(crate) fn pair(outer: &Outer) -> (Stream, UnixStream) {
    let path = Path::new();
    let mut listener = Listener::bind_unix(&path.0).unwrap();
    listener.listen(&outer.reactor, 1).unwrap();
    let far = UnixStream::connect(&path.0).unwrap();
    (outer.block_on(async move { listener.accept().await }).unwrap(), far)
}

pub(crate) fn accept(outer: &Outer, listener: &Listener) -> Stream {
    let mut accepted = None;
    outer.run_until(|| {
        let context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(stream) = listener.poll_accept(&context) {
            accepted = Some(stream.unwrap());
        }
        accepted.is_some()
    });
    accepted.expect("run_until waited for it")
}

#[test]
fn half_close_lets_the_other_half_go_on() {
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    let server = outer.reactor.spawn(async move {
        let stream = listener.accept().await?;
        stream.write_all(b"first").await?;
        stream.shutdown()?;
        read_to_end(&stream).await
    });
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        client.write_all(b"then").unwrap();
        all
    });
    outer.run_until(|| server.is_finished());
    assert_eq!(crate::outer::output(server).unwrap(), b"then");
    assert_eq!(client.join().unwrap(), b"first");
}

#[test]
fn a_reset_is_an_error_to_reader_and_writer() {
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    let client = TcpStream::connect(address).unwrap();
    let stream = accept(&outer, &listener);
    let reader = outer.reactor.spawn(async move {
        let read = stream.read(&mut [0; 16]).await;
        (read.unwrap_err().kind(), stream.write_all(b"x").await.unwrap_err().kind())
    });
    outer.settle();
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    outer.run_until(|| reader.is_finished());
    assert_eq!(crate::outer::output(reader), (io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe));
}

#[test]
fn a_refused_connection_is_an_error() {
    let outer = Outer::new();
    let bound = Listener::bind_tcp(LOCAL, TcpOptions::default()).unwrap();
    let Addr::Tcp(address) = *bound.local_addr() else { panic!("a TCP address") };
    let reactor = outer.reactor.clone();
    let connected = outer.block_on(async move { Stream::connect_tcp(&reactor, address).await });
    assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::ConnectionRefused, "bound is not yet listening");
    let reactor = outer.reactor.clone();
    let path = Path::new();
    let file = path.0.clone();
    let connected = outer.block_on(async move { Stream::connect_unix(&reactor, &file).await });
    assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::NotFound);
    outer.settle();
}

#[test]
fn accept_before_listen_says_what_to_do() {
    let outer = Outer::new();
    let bound = Listener::bind_tcp(LOCAL, TcpOptions::default()).unwrap();
    let error = outer.block_on(async move { bound.accept().await }).unwrap_err();
    assert!(error.to_string().contains("call listen first"), "{error}");
}

#[test]
fn a_taken_address_is_an_error_and_one_in_time_wait_is_not() {
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    let taken = Listener::bind_tcp(address, TcpOptions::default())
        .and_then(|mut second| second.listen(&outer.reactor, 1));
    assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let client = TcpStream::connect(address).unwrap();
    drop(accept(&outer, &listener)); // This end closes first, so the port lingers.
    drop((listener, client));
    Listener::bind_tcp(address, TcpOptions::default()).unwrap();
}

#[test]
fn a_task_that_always_has_something_to_read_lets_others_run() {
    let outer = Outer::new();
    let (near, mut far) = pair(&outer);
    far.write_all(&[7; 1000]).unwrap();
    let read = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&read);
    let reader = outer.reactor.spawn(async move {
        while near.read(&mut [0]).await.unwrap() > 0 {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let budget = Budget { tasks: 1, time: Duration::MAX };
    assert_eq!(outer.reactor.driver().turn(budget), Turn::Spent);
    assert!((1..100).contains(&read.load(Ordering::SeqCst)), "{read:?}");
    drop(far);
    outer.run_until(|| reader.is_finished());
    assert_eq!(read.load(Ordering::SeqCst), 1000);
}

#[test]
fn a_peer_that_reads_a_unix_socket_wakes_nobody() {
    let outer = Outer::new();
    let (near, mut far) = pair(&outer);
    let near = outer.block_on(async move { near.write_all(b"answer").await.map(|()| near) }).unwrap();
    outer.settle();
    far.read_exact(&mut [0; 6]).unwrap();
    assert!(!outer.readable());
    drop(near);
}

#[test]
fn a_socket_may_be_waited_for_where_nobody_drives() {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let outer = Outer::new();
    let (near, mut far) = pair(&outer);
    let reader = std::thread::spawn(move || {
        let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
        let context = std::task::Context::from_waker(&waker);
        for round in 0..20_000_u32 {
            let mut byte = [MaybeUninit::uninit()];
            while near.poll_read(&context, &mut byte).is_pending() {
                std::thread::park_timeout(crate::outer::STALL);
            }
            // The other side sends the next byte only now, so each read races with its event.
            rustix::net::send(&near, &round.to_le_bytes()[..1], rustix::net::SendFlags::empty()).unwrap();
        }
    });
    let writer = std::thread::spawn(move || {
        far.set_read_timeout(Some(crate::outer::STALL)).unwrap();
        for _ in 0..20_000 {
            far.write_all(b"x").unwrap();
            far.read_exact(&mut [0]).expect("no stall");
        }
    });
    outer.join(writer);
    outer.join(reader);
}

#[test]
fn a_waker_that_panics_costs_the_others_no_event() {
    struct Bad;
    impl std::task::Wake for Bad {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("on purpose");
        }
    }
    let outer = Outer::new();
    let (first, mut first_far) = pair(&outer);
    let (second, mut second_far) = pair(&outer);
    let bad = std::sync::Arc::new(Bad).into();
    let context = std::task::Context::from_waker(&bad);
    assert!(first.poll_read(&context, &mut [MaybeUninit::uninit()]).is_pending());
    let reader = outer.reactor.spawn(async move { second.read(&mut [0; 8]).await.unwrap() });
    outer.settle();
    // Both events are taken by one look at the poller, that of the bad waker first.
    first_far.write_all(b"x").unwrap();
    second_far.write_all(b"word").unwrap();
    outer.run_until(|| reader.is_finished());
    assert_eq!(crate::outer::output(reader), 4);
    outer.settle();
}

#[test]
fn closed_sockets_leave_nothing_behind() {
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    for _ in 0..200 {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"x").unwrap();
        // Dropped with an event in flight; the next connection takes its place.
        drop(accept(&outer, &listener));
        drop(client);
    }
    drop(listener);
    outer.settle();
}

#[test]
fn descriptors_are_close_on_exec() {
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    let _client = TcpStream::connect(address).unwrap();
    let stream = accept(&outer, &listener);
    for fd in std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten() {
        let Ok(target) = std::fs::read_link(format!("/proc/self/fd/{}", fd.file_name().display())) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        if ["socket:", "anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[timerfd]"]
            .iter()
            .any(|kind| target.starts_with(kind))
        {
            let info = std::fs::read_to_string(fd.path()).unwrap_or_default();
            let flags =
                info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("02000000").trim();
            let flags = u32::from_str_radix(flags, 8).unwrap();
            assert_ne!(flags & 0o2_000_000, 0, "{target} would be inherited");
        }
    }
    drop(stream);
}

#[test]
fn a_port_is_shared_only_by_those_who_say_so() {
    let outer = Outer::new();
    let shared = TcpOptions { reuse_port: true, ..TcpOptions::default() };
    let mut first = Listener::bind_tcp(LOCAL, shared).unwrap();
    first.listen(&outer.reactor, 8).unwrap();
    let Addr::Tcp(address) = *first.local_addr() else { panic!("a TCP address") };
    Listener::bind_tcp(address, shared).unwrap().listen(&outer.reactor, 8).unwrap();
    let alone = Listener::bind_tcp(address, TcpOptions::default()).unwrap_err();
    assert_eq!(alone.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn a_dual_stack_address_takes_clients_of_both_families() {
    let outer = Outer::new();
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
    for dual_stack in [true, false] {
        let options = TcpOptions { dual_stack, ..TcpOptions::default() };
        let mut listener = match Listener::bind_tcp(any, options) {
            // No IPv6 on this machine.
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => return,
            listener => listener.unwrap(),
        };
        listener.listen(&outer.reactor, 8).unwrap();
        let Addr::Tcp(address) = *listener.local_addr() else { panic!("a TCP address") };
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, address.port()));
        assert_eq!(client.is_ok(), dual_stack);
    }
}
