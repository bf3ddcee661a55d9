//! A server in this process, and clients that write and read bytes.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use narthex_edge::{Bind, Bound, Config, Serving, TcpOptions, Tls};
use narthex_reactor::Reactor;
use narthex_wire::{Body, BoxError, Endpoint, Origin};
use tower_service::Service;

/// A server with the test service, driven by a thread of its own.
pub(crate) struct Server {
    pub(crate) serving: Serving,
    pub(crate) address: SocketAddr,
    pub(crate) seen: Seen,
    reactor: Reactor,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the service has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Requests that reached it.
    pub(crate) requests: Arc<AtomicUsize>,
    /// Exchanges that were dropped before they were answered.
    pub(crate) dropped: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::on(bound(None), config)
    }

    /// One that speaks TLS.
    pub(crate) fn secure(tls: Tls, config: Config) -> Self {
        Self::on(bound(Some(tls)), config)
    }

    fn on((bound, address): (Bound, SocketAddr), config: Config) -> Self {
        let reactor = Reactor::new().unwrap();
        let seen = Seen::default();
        let serving = bound.serve(&reactor, TestService { seen: seen.clone() }, config).unwrap();
        let (stop, thread) = drive(&reactor);
        Self { serving, address, seen, reactor, stop, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    /// Writes these bytes on a connection of their own and reads until the server closes it.
    pub(crate) fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect();
        client.write(bytes);
        client.read_to_end()
    }

    /// Proves that the server still serves.
    pub(crate) fn assert_alive(&self) {
        let mut client = self.connect();
        client.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response().body, "hello");
    }

    /// Waits until the server and all of its exchanges are gone.
    pub(crate) fn wait_drained(&self) {
        let (done, is_done) = std::sync::mpsc::channel();
        let serving = self.serving.clone();
        let waiting = async move {
            serving.drained().await;
            let _ = done.send(());
        };
        self.reactor.spawn(waiting).detach();
        is_done.recv_timeout(PATIENCE).expect("the server drains");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.reactor.interrupt();
        let result = self.thread.take().unwrap().join();
        if !thread::panicking() {
            result.unwrap();
        }
        self.reactor.close();
    }
}

/// A free port of this machine.
pub(crate) fn bound(tls: Option<Tls>) -> (Bound, SocketAddr) {
    let mut bound = Bound::default();
    let any = Bind::Tcp("127.0.0.1:0".parse().unwrap());
    let Endpoint::Tcp(address) = bound.bind(&any, TcpOptions::default(), tls).unwrap() else {
        panic!("bound to TCP")
    };
    (bound, address)
}

pub(crate) fn drive(reactor: &Reactor) -> (Arc<AtomicBool>, JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (reactor, stopped) = (reactor.clone(), Arc::clone(&stop));
    let thread = thread::spawn(move || {
        reactor.driver().run_until_asked(|| stopped.load(Ordering::Relaxed));
    });
    (stop, thread)
}

/// Longer than anything here takes, however busy the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A client that knows nothing of HTTP but where a response ends.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads some; false at the end.
    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => {
                panic!("reading failed: {error}; so far {:?}", String::from_utf8_lossy(&self.buffer))
            }
        }
    }

    /// Whether there is another byte before the end.
    pub(crate) fn has_more(&mut self) -> bool {
        !self.buffer.is_empty() || self.more()
    }

    pub(crate) fn until(&mut self, end: &str) -> String {
        loop {
            let found = self.buffer.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let rest = self.buffer.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap();
            }
            assert!(self.more(), "the connection ended: {:?}", String::from_utf8_lossy(&self.buffer));
        }
    }

    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.more(), "the connection ended after {} bytes", self.buffer.len());
        }
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// A response with a Content-Length, or none, or chunked (then its body is the chunks as they came).
    pub(crate) fn response(&mut self) -> Reply {
        self.reply(true)
    }

    /// A response to HEAD.
    pub(crate) fn head(&mut self) -> Reply {
        self.reply(false)
    }

    fn reply(&mut self, has_body: bool) -> Reply {
        let head = self.until("\r\n\r\n");
        let status = head[9..12].parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let body = if !has_body || status == 204 || status == 304 {
            String::new()
        } else if head.contains("transfer-encoding: chunked") {
            self.until("0\r\n\r\n")
        } else {
            let length = length.expect("a length").parse().unwrap();
            String::from_utf8(self.exactly(length)).unwrap()
        };
        Reply { status, head, body }
    }

    pub(crate) fn read_to_end(&mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Reads until the server resets the connection; an ordinary end is a failure.
    pub(crate) fn until_reset(&mut self) -> String {
        let result = self.stream.read_to_end(&mut self.buffer);
        assert_eq!(result.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset));
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Asserts that the server closes the connection without another byte.
    pub(crate) fn assert_closed(&mut self) {
        assert_eq!(self.read_to_end(), "");
    }
}

#[derive(Clone, Debug)]
pub(crate) struct TestService {
    pub(crate) seen: Seen,
}

impl Service<Request<Body>> for TestService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        panic!("nobody asks")
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.seen.requests.fetch_add(1, Ordering::Relaxed);
        let alive = Alive(Some(Arc::clone(&self.seen.dropped)));
        Box::pin(async move {
            let response = answer(request).await;
            alive.answered();
            Ok(response)
        })
    }
}

/// Counts an exchange that is dropped unanswered.
struct Alive(Option<Arc<AtomicUsize>>);

impl Alive {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(dropped) = &self.0 {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn answer(request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/hello" => Response::new(Body::from("hello")),
        "/echo" => match request.into_body().collect(100 << 20).await {
            Ok(collected) => Response::new(Body::from(collected.data)),
            Err(error) => status(StatusCode::BAD_GATEWAY, &format!("{error}")),
        },
        "/target" => {
            let host = request.headers().get("host").map_or("none", |host| host.to_str().unwrap());
            let authority = request.uri().authority().map_or("none", |authority| authority.as_str());
            Response::new(Body::from(format!("{} host={host} authority={authority}", request.uri())))
        }
        "/origin" => {
            let origin: &Origin = request.extensions().get().unwrap();
            Response::new(Body::from(format!("{} {} {:?}", origin.client, origin.scheme, origin.host)))
        }
        "/client" => {
            let origin: &Origin = request.extensions().get().unwrap();
            let security = origin.connection.security.as_ref().unwrap();
            let told = security.client.as_ref().map(|client| {
                let names = (&client.common_name, &client.alternative_names);
                format!("{} {:?} {:?} {}", client.subject, names.0, names.1, client.chain.len())
            });
            Response::new(Body::from(told.unwrap_or_default()))
        }
        "/pieces" => {
            Response::new(Body::new(Pieces { left: 3, piece: Bytes::from_static(b"abc"), fail: false }))
        }
        "/mirror" => Response::new(request.into_body()),
        "/endless" => {
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            Response::new(Body::new(Pieces { left: usize::MAX, piece, fail: false }))
        }
        "/broken" => {
            Response::new(Body::new(Pieces { left: 1, piece: Bytes::from_static(b"abc"), fail: true }))
        }
        "/broken/at-once" => Response::new(Body::new(Pieces { left: 0, piece: Bytes::new(), fail: true })),
        "/broken/large" => {
            let piece = Bytes::from(vec![b'x'; BROKEN / 2]);
            Response::new(Body::new(Pieces { left: 2, piece, fail: true }))
        }
        "/bomb" => Response::new(Body::new(Bomb)),
        "/hang" => pending().await,
        "/unread" => status(StatusCode::PAYLOAD_TOO_LARGE, "no"),
        "/204" => status(StatusCode::NO_CONTENT, "ignored"),
        "/205" => status(StatusCode::RESET_CONTENT, "ignored"),
        "/grpc" => {
            let mut response = status(StatusCode::OK, "");
            response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            response
        }
        "/304" => {
            let mut response = status(StatusCode::NOT_MODIFIED, "");
            response.headers_mut().insert("content-length", HeaderValue::from_static("1234"));
            response
        }
        "/liar" => {
            let mut response = Response::new(Body::from("short"));
            response.headers_mut().insert("content-length", HeaderValue::from_static("10"));
            response
        }
        "/101" => status(StatusCode::SWITCHING_PROTOCOLS, ""),
        _ => status(StatusCode::NOT_FOUND, "nothing here"),
    }
}

fn status(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = status;
    response
}

/// A body with a bug.
struct Bomb;

impl HttpBody for Bomb {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        panic!("as arranged")
    }
}

/// The bytes of a body that fails after more than any buffer takes.
pub(crate) const BROKEN: usize = 12_000_000;

/// A body of unknown length.
struct Pieces {
    left: usize,
    piece: Bytes,
    fail: bool,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(self.fail.then(|| Err("as arranged".into())));
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}

/// Drives a client's reactor on this thread until the future is ready.
pub(crate) fn run<T: Send + 'static>(
    reactor: &Reactor,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let mut task = reactor.spawn(future);
    reactor.driver().run_until_asked(|| task.is_finished());
    let mut context = Context::from_waker(std::task::Waker::noop());
    match Pin::new(&mut task).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the client's task has not finished"),
    }
}

/// Waits, on a reactor, until a condition holds that another thread brings about.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool + Send + 'static) {
    let reactor = Reactor::new().unwrap();
    let patience = std::time::Instant::now() + PATIENCE;
    let clock = reactor.clone();
    run(&reactor, async move {
        let mut sleep = clock.sleep(Duration::from_millis(1));
        poll_fn(|cx| {
            while !condition() {
                assert!(std::time::Instant::now() < patience, "it never came");
                if Pin::new(&mut sleep).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                sleep = clock.sleep(Duration::from_millis(1));
            }
            Poll::Ready(())
        })
        .await;
    });
}
