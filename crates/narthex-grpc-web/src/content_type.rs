//! The content types of gRPC-Web: binary or text, and a codec.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use narthex_wire::names::APPLICATION_GRPC;
use narthex_wire::protocol::essence;

const GRPC: &[u8] = b"application/grpc";
const WEB: &[u8] = b"application/grpc-web";
const TEXT: &[u8] = b"-text";

/// How the bytes of a body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Binary,
    /// Base64, for clients that cannot read binary data as it comes.
    Text,
}

/// A request's content type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentType {
    pub(crate) mode: Mode,
    codec: Codec,
}

/// What is behind the mode, so that the answer says the same.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Codec {
    Unsaid,
    Proto,
    Json,
    /// Nobody's here: the layers behind refuse it. With its `+`.
    Other(Box<[u8]>),
}

impl ContentType {
    /// The content type of a request, if it is gRPC-Web's.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(CONTENT_TYPE)?.as_bytes())
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (start, rest) = value.split_at_checked(WEB.len())?;
        if !start.eq_ignore_ascii_case(WEB) {
            return None;
        }
        let rest = essence(rest);
        let text = rest.get(..TEXT.len()).is_some_and(|start| start.eq_ignore_ascii_case(TEXT));
        let (mode, codec) = if text { (Mode::Text, &rest[TEXT.len()..]) } else { (Mode::Binary, rest) };
        let codec = match codec {
            b"" => Codec::Unsaid,
            codec if codec.eq_ignore_ascii_case(b"+proto") => Codec::Proto,
            codec if codec.eq_ignore_ascii_case(b"+json") => Codec::Json,
            [b'+', ..] => Codec::Other(codec.into()),
            _ => return None,
        };
        Some(Self { mode, codec })
    }

    /// The content type of the same call in gRPC.
    pub(crate) fn to_grpc(&self) -> HeaderValue {
        match &self.codec {
            Codec::Unsaid | Codec::Proto => APPLICATION_GRPC.clone(),
            Codec::Json => narthex_wire::Codec::Json.grpc(),
            Codec::Other(codec) => HeaderValue::from_bytes(&[GRPC, codec].concat())
                .expect("what was part of one header's value can be of another's"),
        }
    }

    /// The content type of the answer: in the mode that the client accepts, else the request's.
    pub(crate) fn of_answer(self, headers: &HeaderMap) -> Self {
        let accepted = |value: &HeaderValue| {
            value.as_bytes().split(|b| *b == b',').find_map(|item| Self::parse(item.trim_ascii()))
        };
        let mode =
            headers.get_all(ACCEPT).iter().find_map(accepted).map_or(self.mode, |accepted| accepted.mode);
        Self { mode, ..self }
    }

    pub(crate) const fn to_header(&self) -> HeaderValue {
        HeaderValue::from_static(match (self.mode, &self.codec) {
            (Mode::Binary, Codec::Unsaid | Codec::Other(_)) => "application/grpc-web",
            (Mode::Binary, Codec::Proto) => "application/grpc-web+proto",
            (Mode::Binary, Codec::Json) => "application/grpc-web+json",
            (Mode::Text, Codec::Unsaid | Codec::Other(_)) => "application/grpc-web-text",
            (Mode::Text, Codec::Proto) => "application/grpc-web-text+proto",
            (Mode::Text, Codec::Json) => "application/grpc-web-text+json",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (value, mode, grpc, answer) in [
            ("application/grpc-web", Mode::Binary, "application/grpc", "application/grpc-web"),
            ("Application/gRPC-Web+Proto", Mode::Binary, "application/grpc", "application/grpc-web+proto"),
            (
                "application/grpc-web+json; x=y",
                Mode::Binary,
                "application/grpc+json",
                "application/grpc-web+json",
            ),
            ("application/grpc-web-text", Mode::Text, "application/grpc", "application/grpc-web-text"),
            (
                "application/grpc-web-text+proto",
                Mode::Text,
                "application/grpc",
                "application/grpc-web-text+proto",
            ),
            (
                "application/grpc-web-text+json",
                Mode::Text,
                "application/grpc+json",
                "application/grpc-web-text+json",
            ),
            ("application/grpc-web+thrift", Mode::Binary, "application/grpc+thrift", "application/grpc-web"),
        ] {
            let content_type = ContentType::parse(value.as_bytes()).unwrap();
            assert_eq!(
                (content_type.mode, content_type.to_grpc()),
                (mode, HeaderValue::from_static(grpc)),
                "{value}"
            );
            assert_eq!(content_type.to_header(), answer);
        }
        for no in [
            "",
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-webby",
            "application/grpc-web-texts",
            "text/plain",
        ] {
            assert_eq!(ContentType::parse(no.as_bytes()), None, "{no}");
        }
    }

    #[test]
    fn the_answer_is_in_the_mode_that_is_accepted() {
        for (sent, accept, expect) in [
            ("application/grpc-web+proto", "application/grpc-web-text", Mode::Text),
            ("application/grpc-web-text", "application/grpc-web", Mode::Binary),
            ("application/grpc-web-text", "*/*", Mode::Text),
            ("application/grpc-web", "text/html, application/grpc-web-text+proto;q=0.1", Mode::Text),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            let sent = ContentType::parse(sent.as_bytes()).unwrap();
            assert_eq!(sent.of_answer(&headers).mode, expect, "{accept}");
        }
    }
}
