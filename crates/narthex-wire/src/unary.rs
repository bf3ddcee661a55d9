//! One message in, one message out: the calls that are not streams.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, response};
use http_body::Body as _;

use crate::body::Body;
use crate::code::Code;
use crate::encoding::Encoding;
use crate::envelope::{self, Decoder};
use crate::names;
use crate::pieces::Pieces;
use crate::status::Status;
use crate::trailers::Trailers;

/// Reads a body that must hold exactly one message, of at most `limit` bytes, and gives it decompressed.
///
/// A message that comes in one frame is a slice of it.
///
/// # Errors
///
/// Those of [`Encoding::from_headers`] and [`ReadUnary`].
///
/// # Cancel safety
///
/// Dropping the future drops the body.
pub async fn read_unary(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Status> {
    Ok(ReadUnary::new(body, Encoding::from_headers(headers)?, limit).await?.into_bytes())
}

/// [`read_unary`] as a future with a name, for futures that are written by hand; it gives the message in the pieces that it came
/// in.
#[derive(Debug)]
pub struct ReadUnary {
    body: Body,
    decoder: Decoder,
    message: Option<Pieces>,
}

impl ReadUnary {
    /// Starts to read the one message in `body`, which is compressed so if it says that it is compressed.
    ///
    /// The future fails with what [`Decoder`] and the body do, and with `UNIMPLEMENTED` for none or more than one message, as
    /// gRPC's conformance tests want it.
    pub fn new(body: Body, encoding: Encoding, limit: usize) -> Self {
        Self { body, decoder: Decoder::new(encoding, limit), message: None }
    }

    fn take(&mut self, data: Bytes) -> Result<(), Status> {
        self.decoder.push(data);
        while let Some(next) = self.decoder.next_pieces()? {
            if self.message.replace(next).is_some() {
                return Err(Status::unimplemented(
                    "more than one message was sent to a method that takes one",
                ));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Pieces, Status> {
        self.decoder.finish()?;
        self.message
            .take()
            .ok_or_else(|| Status::unimplemented("no message was sent to a method that takes one"))
    }
}

impl Future for ReadUnary {
    type Output = Result<Pieces, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            let Ok(data) = frame.map_err(Status::from_body_error)?.into_data() else { continue };
            self.take(data)?;
        }
        Poll::Ready(self.finish())
    }
}

/// A response of one envelope (see [`crate::envelope::encode`]) with its initial metadata and trailers.
///
/// The content type is set here. The trailers should hold a `grpc-status`.
pub fn unary_response(envelope: Bytes, initial: HeaderMap, trailers: impl Into<Trailers>) -> Response<Body> {
    let mut response = Response::new(Body::with_trailers(envelope, trailers));
    *response.headers_mut() = initial;
    response.headers_mut().insert(CONTENT_TYPE, names::APPLICATION_GRPC.clone());
    response
}

/// The answer to a unary call, read to its end: what a translation needs to know before it writes a head.
#[derive(Debug)]
pub struct UnaryReply {
    /// The initial metadata, and what else was in the head; nothing where one head said it all (trailers-only).
    pub initial: HeaderMap,
    /// How the call ended, with the trailing metadata.
    pub status: Status,
    /// The message, if and only if the status is OK.
    pub message: Option<Message>,
}

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How it is compressed.
    pub encoding: Encoding,
    /// Its bytes, compressed or not.
    pub data: Bytes,
}

impl UnaryReply {
    /// Reads a response, which is held whole. What is no answer to a unary call becomes an error status.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the body.
    pub async fn read(head: response::Parts, body: Body) -> Self {
        let mut headers = head.headers;
        let collected = match body.collect(usize::MAX).await {
            Ok(collected) => collected,
            Err(error) => return Self { initial: headers, status: error.into(), message: None },
        };
        let in_trailers = collected.trailers.as_deref().and_then(Status::from_trailers);
        let status = in_trailers.or_else(|| {
            let mut status = Status::from_trailers(&headers)?;
            headers.clear();
            status.metadata_mut().remove(CONTENT_TYPE);
            Some(status)
        });
        let status = status.unwrap_or_else(|| Status::unknown("the call ended without a grpc-status"));
        if status.code() != Code::Ok {
            return Self { initial: headers, status, message: None };
        }
        match Message::only(collected.data, &headers) {
            Ok(message) => Self { initial: headers, status, message: Some(message) },
            Err(error) => {
                let status = error.with_metadata(status.metadata().clone());
                Self { initial: headers, status, message: None }
            }
        }
    }
}

impl Message {
    /// The one message in `data`.
    fn only(mut data: Bytes, headers: &HeaderMap) -> Result<Self, Status> {
        let (flag, message) = match envelope::split_first(&mut data) {
            Some(first) if data.is_empty() => first,
            _ => return Err(Status::internal("a unary method did not answer with exactly one message")),
        };
        let encoding = if flag == 0 { Encoding::Identity } else { Encoding::from_headers(headers)? };
        if flag > 1 || (flag == 1 && encoding == Encoding::Identity) {
            return Err(Status::internal("the message of an answer is compressed, but nothing says how"));
        }
        Ok(Self { encoding, data: message })
    }
}
