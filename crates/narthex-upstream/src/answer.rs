//! The answer on its way back.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use narthex_wire::names::GRPC_STATUS;
use narthex_wire::{Body, BoxError, Code, Status, is_grpc};

use crate::address::Address;
use crate::connection::Slot;
use crate::failure;
use crate::head;
use crate::pool::{Change, Pool};
use crate::upload::Uploading;

/// The upstream's answer to whoever called; one that is not gRPC becomes a status.
pub(crate) fn forward(
    response: Response<RecvStream>,
    uploading: Uploading,
    slot: Slot,
    pool: &Arc<Pool>,
) -> Response<Body> {
    let (parts, stream) = response.into_parts();
    if parts.status != StatusCode::OK || !is_grpc(&parts.headers) {
        return foreign(parts.status, &parts.headers, pool.address()).into_response();
    }
    look_for_doubt(pool, &parts.headers);
    let mut headers = parts.headers;
    head::incoming(&mut headers);
    let body = if stream.is_end_stream() {
        Body::empty()
    } else {
        Body::new(Answer { stream, state: State::Data, uploading, pool: Arc::clone(pool), _slot: slot })
    };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

/// A server that does not know a method may be another one than told of it: what is behind an address can change without the
/// connection being a new one.
fn look_for_doubt(pool: &Pool, trailers: &HeaderMap) {
    if trailers.get(&GRPC_STATUS).is_some_and(|code| Code::from_header(code) == Code::Unimplemented) {
        pool.tell(Change::Doubted);
    }
}

/// As a gRPC client reads an answer of a server or proxy that does not know gRPC.
fn foreign(status: StatusCode, headers: &HeaderMap, address: &Address) -> Status {
    // Where a status is told nevertheless, it says more.
    Status::from_trailers(headers).unwrap_or_else(|| {
        let kind = headers.get(http::header::CONTENT_TYPE);
        let kind = kind.map_or("no content type".into(), |kind| String::from_utf8_lossy(kind.as_bytes()));
        let code = if status == StatusCode::OK { Code::Unknown } else { Code::from_http(status) };
        Status::new(code, format!("the upstream {address} did not answer by gRPC: HTTP {status}, {kind}"))
    })
}

/// The messages and trailers as they come. Room for more is made when somebody has taken them.
struct Answer {
    stream: RecvStream,
    state: State,
    /// Until the answer has ended, however that ends the upload.
    uploading: Uploading,
    pool: Arc<Pool>,
    _slot: Slot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Ended,
}

impl Answer {
    /// The last frame: the call has failed.
    fn end(&mut self, status: Status) -> Frame<Bytes> {
        self.state = State::Ended;
        Frame::trailers(status.into_trailers())
    }

    fn fail(&mut self, error: &h2::Error) -> Frame<Bytes> {
        self.end(failure::status(self.pool.address(), error))
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if this.state == State::Data {
            match this.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    // It fails for more than there is to release alone.
                    let _ = this.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Ok(this.fail(&error)))),
                Poll::Ready(None) => this.state = State::Trailers,
                Poll::Pending => {
                    return this.uploading.poll_failed(cx).map(|status| Some(Ok(this.end(status))));
                }
            }
        }
        if this.state == State::Ended {
            return Poll::Ready(None);
        }
        let trailers = ready!(this.stream.poll_trailers(cx));
        this.state = State::Ended;
        Poll::Ready(match trailers {
            Ok(trailers) => trailers.map(|trailers| {
                look_for_doubt(&this.pool, &trailers);
                Ok(Frame::trailers(trailers))
            }),
            Err(error) => Some(Ok(this.fail(&error))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Ended
    }
}
