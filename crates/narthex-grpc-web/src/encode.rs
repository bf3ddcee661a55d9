//! Responses: the trailers become the last envelope of the body, and in text mode all of it base64.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame};
use narthex_wire::names::GRPC_STATUS;
use narthex_wire::{Body, BoxError, Code, Flow, Outcome, Status, envelope, is_grpc};

use crate::content_type::{ContentType, Mode};

/// The flag of the envelope that holds the trailers.
const TRAILERS: u8 = 0x80;

/// Turns a gRPC response into one of gRPC-Web; what is not gRPC stays as it is.
pub(crate) fn from_grpc(response: Response<Body>, content_type: &ContentType) -> Response<Body> {
    if !is_grpc(response.headers()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.insert(CONTENT_TYPE, content_type.to_header());
    // A servicer's metadata of this name would be HTTP's word on the body.
    head.headers.remove(CONTENT_ENCODING);
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(TRAILER);
    head.extensions.insert(Flow::GrpcWeb);
    if http_body::Body::is_end_stream(&body) && head.headers.contains_key(&GRPC_STATUS) {
        // Trailers-only: the head says it all here too.
        return Response::from_parts(head, body);
    }
    let outcome = Outcome::default();
    head.extensions.insert(outcome.clone());
    let mode = content_type.mode;
    Response::from_parts(
        head,
        match body.into_buffered() {
            Ok(whole) => {
                let trailers = whole.trailers.unwrap_or_else(|| unsaid().into());
                let mut data = BytesMut::from(whole.data);
                data.extend_from_slice(&end(&trailers, &outcome));
                Body::full(encode(data.freeze(), mode))
            }
            Err(inner) => Body::new(WebBody { inner: Some(inner), mode, outcome }),
        },
    )
}

/// The trailers as the last envelope.
fn end(trailers: &HeaderMap, outcome: &Outcome) -> Bytes {
    outcome.set(trailers.get(&GRPC_STATUS).map_or(Code::Unknown, Code::from_header));
    let mut lines = BytesMut::with_capacity(64);
    for (name, value) in trailers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    let mut envelope = BytesMut::with_capacity(envelope::PREFIX + lines.len());
    envelope.extend_from_slice(&envelope::prefix(lines.len(), false));
    envelope[0] = TRAILERS;
    envelope.put(lines);
    envelope.freeze()
}

/// What a call that ends without trailers ends with.
fn unsaid() -> HeaderMap {
    Status::unknown("the call ended without a grpc-status").into_trailers()
}

fn encode(data: Bytes, mode: Mode) -> Bytes {
    match mode {
        Mode::Binary => data,
        Mode::Text => STANDARD.encode(data).into(),
    }
}

/// The body of a response that is produced while it is sent. In text mode each piece is padded for itself, so that none
/// waits for the next.
struct WebBody {
    /// None once it has ended.
    inner: Option<Body>,
    mode: Mode,
    outcome: Outcome,
}

impl HttpBody for WebBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let trailers = match ready!(Pin::new(inner).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(encode(data, this.mode))))),
                Err(frame) => frame.into_trailers().unwrap_or_else(|_| unsaid()),
            },
            Some(Err(error)) => match error.downcast::<Status>() {
                Ok(status) => status.into_trailers(),
                Err(error) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(error)));
                }
            },
            None => unsaid(),
        };
        this.inner = None;
        Poll::Ready(Some(Ok(Frame::data(encode(end(&trailers, &this.outcome), this.mode)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }
}
