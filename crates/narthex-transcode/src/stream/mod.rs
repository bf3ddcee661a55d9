//! Streams of messages in HTTP bodies.

mod parts;
mod request;
mod response;
mod source;
mod values;

use http::header::{self, HeaderMap, HeaderValue};
use narthex_protojson::WriteOptions;

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
    const ALL: [Self; 4] = [Self::Array, Self::NewlineDelimited, Self::Sequence, Self::ServerSentEvents];

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

    /// The one that `Accept` likes best, the first of equals; where it names none of them, the default.
    pub(crate) fn accepted(headers: &HeaderMap, default: Self) -> Self {
        let ranges = headers
            .get_all(header::ACCEPT)
            .iter()
            .flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        let mut best = (0, default);
        for range in ranges {
            let Some(format) = Self::of(narthex_wire::protocol::essence(range)) else { continue };
            let weight = weight(range);
            if weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }
}

/// The weight of a media range in thousandths (RFC 9110 12.4.2); one that cannot be read is 1.
fn weight(range: &[u8]) -> u16 {
    let weight = range.split(|&byte| byte == b';').skip(1).find_map(|parameter| {
        let parameter = parameter.trim_ascii();
        parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))
    });
    let weight = weight.and_then(|text| std::str::from_utf8(text).ok()?.parse::<f32>().ok());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of weights"
    )]
    weight.map_or(1000, |weight| (weight.clamp(0.0, 1.0) * 1000.0) as u16)
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
            ("", StreamFormat::Sequence),
        ] {
            assert_eq!(chosen(accept), format, "{accept}");
        }
    }
}
