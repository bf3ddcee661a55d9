//! Streams of messages in HTTP bodies.

mod parts;
mod request;
mod response;
mod source;
mod values;

use std::cmp::Reverse;

use http::header::{self, HeaderMap, HeaderValue};
use narthex_protojson::WriteOptions;
use narthex_wire::protocol::weighted;

pub(crate) use request::{Failure, RequestStream};
pub(crate) use response::from_grpc;

/// How a stream of messages is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum StreamFormat {
    /// One JSON array, `application/json`.
    #[default]
    Array,
    /// A message a line, `application/x-ndjson`.
    NewlineDelimited,
    /// RFC 7464, `application/json-seq`.
    Sequence,
    /// `text/event-stream`, a message an event.
    ServerSentEvents,
}

impl StreamFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Array, Self::NewlineDelimited, Self::Sequence, Self::ServerSentEvents];

    /// The content type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Array => "application/json",
            Self::NewlineDelimited => "application/x-ndjson",
            Self::Sequence => "application/json-seq",
            Self::ServerSentEvents => "text/event-stream",
        }
    }

    pub(crate) const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(self.media_type())
    }

    /// How its messages are written: where a line ends a message, none may have several.
    pub(crate) fn message(self, options: WriteOptions) -> WriteOptions {
        WriteOptions { whitespace: options.whitespace && self == Self::Array, ..options }
    }

    /// The format of this media type, by its usual names.
    fn of(media_type: &[u8]) -> Option<Self> {
        if media_type.eq_ignore_ascii_case(b"application/ndjson")
            || media_type.eq_ignore_ascii_case(b"application/jsonl")
        {
            return Some(Self::NewlineDelimited);
        }
        Self::ALL.into_iter().find(|format| media_type.eq_ignore_ascii_case(format.media_type().as_bytes()))
    }

    /// What a body of this content type is; `Array` where it says nothing of the kind.
    pub(crate) fn of_body(headers: &HeaderMap) -> Self {
        let given = headers.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
        match Self::of(narthex_wire::protocol::essence(given)) {
            Some(format @ (Self::NewlineDelimited | Self::Sequence)) => format,
            _ => Self::Array,
        }
    }

    /// The one that `Accept` likes best (RFC 9110 12.5.1); of equals the one that it names first, then the default. A client
    /// that accepts none of them gets the default.
    pub(crate) fn accepted(headers: &HeaderMap, default: Self) -> Self {
        let mut wishes = Self::ALL.map(Wish::of);
        for (at, (range, weight)) in weighted(headers, &header::ACCEPT).enumerate() {
            for wish in &mut wishes {
                wish.consider(range, weight, at);
            }
        }
        let liked = |wish: &&Wish| (wish.weight, Reverse(wish.named_at), wish.format == default);
        // The last of equals would win.
        let best = wishes.iter().rev().max_by_key(liked);
        best.filter(|wish| wish.weight > 0).map_or(default, |wish| wish.format)
    }

    /// How specific a media range is that it is in.
    fn within(self, range: &[u8]) -> Option<u8> {
        match range {
            b"*/*" => Some(0),
            [kind @ .., b'/', b'*'] => {
                let (own, rest) = self.media_type().as_bytes().split_at_checked(kind.len())?;
                (own.eq_ignore_ascii_case(kind) && rest.starts_with(b"/")).then_some(1)
            }
            range => (Self::of(range) == Some(self)).then_some(2),
        }
    }
}

/// What `Accept` says of a format, by the most specific of its ranges that it is in. The header is a stranger's and may be long:
/// it is read once.
struct Wish {
    format: StreamFormat,
    /// 0 if it is in none.
    weight: u16,
    specific: Option<u8>,
    /// Where it is named itself; behind everything if it is not.
    named_at: usize,
}

impl Wish {
    const fn of(format: StreamFormat) -> Self {
        Self { format, weight: 0, specific: None, named_at: usize::MAX }
    }

    fn consider(&mut self, range: &[u8], weight: u16, at: usize) {
        let Some(specific) = self.format.within(range) else { return };
        if specific == 2 {
            self.named_at = self.named_at.min(at);
        }
        if self.specific <= Some(specific) {
            (self.specific, self.weight) = (Some(specific), weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses() {
        let chosen = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            StreamFormat::accepted(&headers, StreamFormat::Sequence)
        };
        for (accept, format) in [
            ("text/event-stream", StreamFormat::ServerSentEvents),
            ("application/json, application/x-ndjson", StreamFormat::Array),
            ("application/json;q=0.5, Application/X-NDJSON; q=0.9", StreamFormat::NewlineDelimited),
            ("application/jsonl", StreamFormat::NewlineDelimited),
            ("text/event-stream;q=0", StreamFormat::Sequence),
            ("*/*", StreamFormat::Sequence),
            ("text/event-stream, */*", StreamFormat::ServerSentEvents),
            ("*/*, text/event-stream;q=0.5", StreamFormat::Sequence),
            ("application/json;q=0.9, */*;q=0.8", StreamFormat::Array),
            ("text/*, application/*;q=0.1", StreamFormat::ServerSentEvents),
            ("application/*;q=0.1, */*;q=0.01", StreamFormat::Sequence),
            ("application/*, application/json-seq;q=0", StreamFormat::Array),
            (
                "application/*, application/json-seq;q=0, application/json;q=0.1",
                StreamFormat::NewlineDelimited,
            ),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", StreamFormat::Sequence),
            ("text/html", StreamFormat::Sequence),
            ("application/json/*, a/*, /*, */", StreamFormat::Sequence),
            ("", StreamFormat::Sequence),
        ] {
            assert_eq!(chosen(accept), format, "{accept}");
        }
    }
}
