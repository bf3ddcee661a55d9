//! The messages of a gRPC response as a stream in an HTTP body.
//!
//! The head waits for the first message or the end of the call, so that an error before any message has its own HTTP status.
//! What goes wrong later is told as the format allows: by an event, by a last line, or by cutting the body off.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use narthex_wire::envelope::Decoder;
use narthex_wire::{Body, BoxError, Code, Encoding, Outcome, Status};

use super::values::RECORD_SEPARATOR;
use super::{Failure, StreamFormat};
use crate::layer::Shared;
use crate::response::{self, Written, status_json, write};

/// Turns the answer of a streaming method into the answer of its binding. How the call ended is told if `is_told`.
pub(crate) async fn from_grpc(
    answer: Response<Body>,
    route: usize,
    format: StreamFormat,
    failure: Failure,
    is_told: bool,
    shared: Arc<Shared>,
) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let initial = head.headers;
    let failed = |status: &Status, initial: &HeaderMap| match failure.take() {
        // A request that was refused on its way is what the client has to hear of.
        Some(rejection) => response::refuse(rejection, &shared),
        None => response::status_response(status, initial, &shared),
    };
    let mut messages = match Messages::new(&initial, body, &shared) {
        Ok(messages) => messages,
        Err(status) => return failed(&status, &initial),
    };
    let first = match std::future::poll_fn(|cx| messages.poll_next(cx)).await.transpose() {
        Ok(first) => first,
        Err(status) => return failed(&status, &initial),
    };
    let (content_type, chunk, writer) = match start(first, route, format, &shared) {
        Ok(started) => started,
        Err(status) => return failed(&status, &initial),
    };
    let outcome = messages.outcome.clone();
    let status = response::chosen_status(&initial).unwrap_or(StatusCode::OK);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if !response::is_without_content(status) {
        let body = ResponseStream { messages, writer, first: chunk, route, shared, failure, ended: false };
        *response.body_mut() = Body::new(body);
        if let Some(content_type) = content_type {
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
    }
    response::add_metadata(response.headers_mut(), &initial);
    *response.extensions_mut() = head.extensions;
    if is_told {
        response.extensions_mut().insert(outcome);
    }
    response
}

/// What the first message says of the head, and the beginning of the body.
fn start(
    first: Option<Bytes>,
    route: usize,
    format: StreamFormat,
    shared: &Shared,
) -> Result<(Option<HeaderValue>, Option<Bytes>, Writer), Status> {
    let kind = &shared.table.route(route).response;
    if kind.is_raw() {
        let written = first.map(|message| write(&message, kind, shared.options.write)).transpose()?;
        let (content_type, data) =
            written.map_or((None, None), |Written { content_type, data }| (Some(content_type), Some(data)));
        return Ok((content_type, data, Writer::Raw));
    }
    let mut writer = Writer::Json { format, is_first: true };
    let chunk = first.map(|message| writer.chunk(&message, route, shared)).transpose()?;
    Ok((Some(format.content_type()), chunk, writer))
}

/// The messages of a response, decompressed, up to its status.
struct Messages {
    body: Body,
    decoder: Decoder,
    outcome: Outcome,
    ended: bool,
}

impl Messages {
    fn new(headers: &HeaderMap, body: Body, shared: &Shared) -> Result<Self, Status> {
        let in_head = Status::from_trailers(headers);
        let outcome = Outcome::default();
        if let Some(status) = &in_head {
            outcome.set(status.code());
        }
        match in_head {
            Some(status) if status.code() != Code::Ok => Err(status),
            in_head => Ok(Self {
                body,
                decoder: Decoder::new(Encoding::from_headers(headers)?, shared.options.max_response),
                outcome,
                ended: in_head.is_some(),
            }),
        }
    }

    /// The next message; nothing after the end of a call that went well.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        let next = ready!(self.poll_message(cx));
        match &next {
            Some(Ok(_)) => {}
            Some(Err(status)) => {
                self.ended = true;
                self.outcome.set(status.code());
            }
            None => self.outcome.set(Code::Ok),
        }
        Poll::Ready(next)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            match self.decoder.next() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) if self.ended => return Poll::Ready(None),
                Ok(None) => {}
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(Status::from_body_error(error)))),
                None => {
                    let status = Status::unknown("the gRPC service ended its response without a grpc-status");
                    return Poll::Ready(Some(Err(status)));
                }
            };
            match frame.into_data() {
                Ok(data) => self.decoder.push(data),
                Err(frame) => {
                    self.ended = true;
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let status = Status::from_trailers(&trailers).unwrap_or_else(|| {
                        Status::unknown("the gRPC service ended its response without a grpc-status")
                    });
                    let ok = status.code() == Code::Ok;
                    let checked = if ok { self.decoder.finish() } else { Err(status) };
                    return Poll::Ready(checked.err().map(Err));
                }
            }
        }
    }
}

/// How messages become text.
#[derive(Debug)]
enum Writer {
    Json {
        format: StreamFormat,
        is_first: bool,
    },
    /// The data of HttpBody messages, one after the other.
    Raw,
}

impl Writer {
    fn chunk(&mut self, message: &Bytes, route: usize, shared: &Shared) -> Result<Bytes, Status> {
        let kind = &shared.table.route(route).response;
        match self {
            Self::Raw => write(message, kind, shared.options.write).map(|written| written.data),
            Self::Json { format, is_first } => {
                let mut out = Vec::with_capacity(message.len() * 2 + 16);
                out.put_slice(match format {
                    StreamFormat::Array if *is_first => b"[",
                    StreamFormat::Array => b",",
                    StreamFormat::NewlineDelimited => b"",
                    StreamFormat::Sequence => &[RECORD_SEPARATOR],
                    StreamFormat::ServerSentEvents => b"data: ",
                });
                *is_first = false;
                response::write_json(message, kind, format.message(shared.options.write), &mut out)?;
                out.put_slice(terminator(*format));
                Ok(out.into())
            }
        }
    }

    /// What ends the body of a call that went well.
    fn end(&self) -> Option<Bytes> {
        match self {
            Self::Json { format: StreamFormat::Array, is_first: true } => Some(Bytes::from_static(b"[]")),
            Self::Json { format: StreamFormat::Array, is_first: false } => Some(Bytes::from_static(b"]")),
            Self::Json { .. } | Self::Raw => None,
        }
    }

    /// What tells of an error; `None` where only cutting the body off can.
    fn error(&self, status: &Status, shared: &Shared) -> Option<Bytes> {
        let Self::Json { format, .. } = self else { return None };
        let mut out = Vec::new();
        match format {
            StreamFormat::Array => return None,
            StreamFormat::ServerSentEvents => out.put_slice(b"event: error\ndata: "),
            StreamFormat::NewlineDelimited => out.put_slice(b"{\"error\":"),
            StreamFormat::Sequence => out.put_slice(b"\x1e{\"error\":"),
        }
        status_json(status, shared.table.pool(), format.message(shared.options.write), &mut out);
        if *format != StreamFormat::ServerSentEvents {
            out.push(b'}');
        }
        out.put_slice(terminator(*format));
        Some(out.into())
    }
}

const fn terminator(format: StreamFormat) -> &'static [u8] {
    match format {
        StreamFormat::Array => b"",
        StreamFormat::NewlineDelimited | StreamFormat::Sequence => b"\n",
        StreamFormat::ServerSentEvents => b"\n\n",
    }
}

/// The body of the HTTP response. A message is a frame, sent as it comes.
struct ResponseStream {
    messages: Messages,
    writer: Writer,
    first: Option<Bytes>,
    route: usize,
    shared: Arc<Shared>,
    failure: Failure,
    ended: bool,
}

impl ResponseStream {
    fn chunk(&mut self, next: Option<Result<Bytes, Status>>) -> Option<Result<Bytes, BoxError>> {
        let written = match next {
            Some(Ok(message)) => self.writer.chunk(&message, self.route, &self.shared),
            Some(Err(status)) => Err(status),
            None => {
                self.ended = true;
                return self.writer.end().map(Ok);
            }
        };
        let status = match written {
            Ok(chunk) => return Some(Ok(chunk)),
            Err(status) => self.failure.take().map_or(status, Status::from),
        };
        self.ended = true;
        // The call, if it goes on, is nobody's any more.
        self.messages.body = Body::empty();
        match self.writer.error(&status, &self.shared) {
            Some(last) => Some(Ok(last)),
            None => Some(Err(status.into())),
        }
    }
}

impl HttpBody for ResponseStream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        while !self.ended {
            let next = ready!(self.messages.poll_next(cx));
            match self.chunk(next) {
                // An HttpBody without data.
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(chunk) => return Poll::Ready(Some(chunk.map(Frame::data))),
                None => {}
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.first.is_none()
    }
}
