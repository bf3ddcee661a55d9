//! Bodies of envelopes, each message translated as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use narthex_protojson::{Message, ReadOptions, WriteOptions, json_to_wire, wire_to_json};
use narthex_wire::envelope::{self, Decoder};
use narthex_wire::{Body, BoxError, Encoding, Status};

/// What becomes of each message.
#[derive(Clone, Debug)]
pub(crate) enum Direction {
    /// A request's JSON becomes protobuf, not compressed any more.
    ToProto(Message),
    /// A response's protobuf becomes JSON, compressed as it was.
    ToJson(Message, Encoding),
}

impl Direction {
    /// The envelope of one message, translated.
    fn recode(&self, message: &[u8]) -> Result<Bytes, Status> {
        let mut out = vec![0; envelope::PREFIX];
        match self {
            Self::ToProto(kind) => {
                // As Connect's and gRPC's JSON codecs do: a newer client may say more.
                let options = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
                json_to_wire(kind, message, &options, &mut out).map_err(|error| {
                    Status::invalid_argument(format!(
                        "the message is no JSON of {}: {error}",
                        kind.full_name()
                    ))
                })?;
            }
            Self::ToJson(kind, encoding) => {
                wire_to_json(kind, message, &WriteOptions::default(), &mut out).map_err(|error| {
                    tracing::error!(message = kind.full_name(), %error, "a response cannot be written as JSON");
                    Status::internal(format!("the response cannot be written as JSON: {error}"))
                })?;
                if *encoding != Encoding::Identity {
                    return Ok(envelope::encode_compressed(*encoding, &out[envelope::PREFIX..]));
                }
            }
        }
        Ok(envelope::seal(out))
    }
}

/// A body with its messages translated; at once where it is in memory.
pub(crate) fn body(inner: Body, decoder: Decoder, direction: Direction) -> Body {
    let mut recoded = Recoded { inner: None, decoder, direction };
    match inner.into_buffered() {
        Ok(whole) => {
            let mut data = BytesMut::new();
            recoded.decoder.push(whole.data);
            let outcome = loop {
                match recoded.next() {
                    Ok(Some(envelope)) if data.is_empty() => data = envelope.into(),
                    Ok(Some(envelope)) => data.extend_from_slice(&envelope),
                    Ok(None) => break recoded.decoder.finish(),
                    Err(status) => break Err(status),
                }
            };
            match (outcome, whole.trailers) {
                (Ok(()), None) => Body::full(data.freeze()),
                (Ok(()), Some(trailers)) => Body::with_trailers(data.freeze(), trailers),
                (Err(status), _) => recoded.direction.failed(data.freeze(), status),
            }
        }
        Err(inner) => Body::new(Recoded { inner: Some(inner), ..recoded }),
    }
}

impl Direction {
    /// A body that ends early: a response with this status, a request with an error that says it.
    fn failed(&self, before: Bytes, status: Status) -> Body {
        match self {
            Self::ToProto(_) => Body::new(Failed(Some(status))),
            Self::ToJson(..) => Body::with_trailers(before, status.into_trailers()),
        }
    }

    /// How a body that is produced while it is read ends early.
    fn failure(&self, status: Status) -> Result<Frame<Bytes>, BoxError> {
        match self {
            Self::ToProto(_) => Err(status.into()),
            Self::ToJson(..) => Ok(Frame::trailers(status.into_trailers())),
        }
    }
}

/// A request whose message could not be translated.
struct Failed(Option<Status>);

impl HttpBody for Failed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.take().map(|status| Err(status.into())))
    }
}

/// A body whose messages come one by one.
struct Recoded {
    /// None once it has ended.
    inner: Option<Body>,
    decoder: Decoder,
    direction: Direction,
}

impl Recoded {
    fn next(&mut self) -> Result<Option<Bytes>, Status> {
        self.decoder.next()?.map(|message| self.direction.recode(&message)).transpose()
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Option<Result<Frame<Bytes>, BoxError>> {
        self.inner = None;
        match self.decoder.finish() {
            Ok(()) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(status) => Some(self.direction.failure(status)),
        }
    }
}

impl HttpBody for Recoded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if this.inner.is_none() {
                return Poll::Ready(None);
            }
            match this.next() {
                Ok(Some(envelope)) => return Poll::Ready(Some(Ok(Frame::data(envelope)))),
                Ok(None) => {}
                Err(status) => {
                    this.inner = None;
                    return Poll::Ready(Some(this.direction.failure(status)));
                }
            }
            let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
            match ready!(Pin::new(inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.decoder.push(data),
                    Err(frame) => return Poll::Ready(this.end(frame.into_trailers().ok())),
                },
                Some(Err(error)) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(this.end(None)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }
}
