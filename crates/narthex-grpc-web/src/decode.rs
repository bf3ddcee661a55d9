//! Requests: base64 that comes in pieces, and may be padded in the middle.
//!
//! A client may pad wherever it likes, as after each message, and where pieces are cut means nothing.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use narthex_wire::{Body, BoxError, Status};

/// Four characters are three bytes.
const GROUP: usize = 4;

/// Reads padding, and does without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64 as it comes.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The beginning of a group: fewer than four characters.
    begun: Vec<u8>,
}

impl Decoder {
    /// The bytes of all groups that are whole with this text.
    ///
    /// # Errors
    ///
    /// If the text is not base64.
    pub fn push(&mut self, mut text: &[u8]) -> Result<Vec<u8>, NotBase64> {
        let mut bytes = Vec::with_capacity((self.begun.len() + text.len()) / GROUP * 3);
        if !self.begun.is_empty() {
            let missing = text.len().min(GROUP - self.begun.len());
            self.begun.extend_from_slice(&text[..missing]);
            text = &text[missing..];
            if self.begun.len() < GROUP {
                return Ok(bytes);
            }
            groups(&self.begun, &mut bytes)?;
            self.begun.clear();
        }
        let (whole, begun) = text.split_at(text.len() / GROUP * GROUP);
        groups(whole, &mut bytes)?;
        self.begun.extend_from_slice(begun);
        Ok(bytes)
    }

    /// The bytes of a last group without padding.
    ///
    /// # Errors
    ///
    /// If there is one character alone, which is less than a byte.
    pub fn finish(&mut self) -> Result<Vec<u8>, NotBase64> {
        let mut bytes = Vec::new();
        decode(&std::mem::take(&mut self.begun), &mut bytes)?;
        Ok(bytes)
    }
}

/// Decodes whole groups, each of which may end in padding.
fn groups(mut text: &[u8], bytes: &mut Vec<u8>) -> Result<(), NotBase64> {
    while let Some(padding) = text.iter().position(|byte| *byte == b'=') {
        let (padded, rest) = text.split_at((padding / GROUP + 1) * GROUP);
        decode(padded, bytes)?;
        text = rest;
    }
    decode(text, bytes)
}

fn decode(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), NotBase64> {
    BASE64.decode_vec(text, bytes).map_err(|_| NotBase64)
}

/// A body in text mode is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

impl fmt::Display for NotBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of a grpc-web-text request is not base64")
    }
}

impl std::error::Error for NotBase64 {}

impl From<NotBase64> for Status {
    fn from(error: NotBase64) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// The body of a request in text mode, decoded.
pub(crate) struct TextBody {
    /// None once it has ended.
    inner: Option<Body>,
    decoder: Decoder,
}

impl TextBody {
    pub(crate) fn new(inner: Body) -> Self {
        Self { inner: Some(inner), decoder: Decoder::default() }
    }
}

impl HttpBody for TextBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
            let decoded = match ready!(Pin::new(inner).poll_frame(cx)) {
                // A request's trailers mean nothing.
                Some(Ok(frame)) => frame.into_data().map_or(Ok(Vec::new()), |data| this.decoder.push(&data)),
                Some(Err(error)) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    this.inner = None;
                    this.decoder.finish()
                }
            };
            match decoded {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
                Err(error) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(Status::from(error).into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }
}
