//! The body of a response that is sent while its handler makes it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame};
use narthex_wire::{Body, BoxError, Trailers, names};

use super::Call;

/// A response that begins with these initial metadata.
pub(super) fn begun(call: &Arc<Call>, initial: HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::new(Streamed { call: Some(Arc::clone(call)), trailers: None }));
    *response.headers_mut() = initial;
    response.headers_mut().insert(CONTENT_TYPE, names::APPLICATION_GRPC.clone());
    response
}

/// What comes of a begun response.
pub(super) enum Piece {
    /// Messages, with more to come.
    Data(Bytes),
    /// The last message, or nothing, and the trailers.
    End(Bytes, Trailers),
}

/// What is still to come. Dropped before it came, it tells the handler as the dropped response future would have.
struct Streamed {
    /// Until it has answered.
    call: Option<Arc<Call>>,
    trailers: Option<Trailers>,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(call) = &self.call {
            let data = match ready!(call.poll_piece(cx)) {
                Piece::Data(data) => data,
                Piece::End(data, trailers) => {
                    self.call = None;
                    self.trailers = Some(trailers);
                    data
                }
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers.into_map()))))
    }

    fn is_end_stream(&self) -> bool {
        self.call.is_none() && self.trailers.is_none()
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if let Some(call) = &self.call {
            call.abandon();
        }
    }
}
