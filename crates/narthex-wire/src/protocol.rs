//! Telling gRPC from everything else, by content type alone.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::names::APPLICATION_GRPC;

const GRPC: &[u8] = b"application/grpc";

/// Whether a message with these headers is gRPC: `application/grpc`, a codec after `+`, parameters after `;`.
///
/// `application/grpc-web` and its kin share the prefix and are another protocol.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| is_grpc_content_type(value.as_bytes()))
}

/// Whether this content type is gRPC's; see [`is_grpc`].
pub fn is_grpc_content_type(value: &[u8]) -> bool {
    match value.split_at_checked(GRPC.len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(GRPC)
                && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
        }
        None => false,
    }
}

/// A content type without its parameters: `application/json` of `application/json; charset=utf-8`.
pub fn essence(content_type: &[u8]) -> &[u8] {
    let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
    content_type[..end].trim_ascii()
}

/// What a header that states preferences names, each with its weight in thousandths: `gzip;q=0.5` is `gzip` and 500 (RFC 9110
/// 12.4.2). A weight that cannot be read is 1, as if it were not there.
pub fn weighted<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'h [u8], u16)> {
    headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(|item| {
        let weight = item
            .split(|byte| *byte == b';')
            .skip(1)
            .map(<[u8]>::trim_ascii)
            .find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")))
            .and_then(|weight| std::str::from_utf8(weight).ok()?.parse::<f32>().ok())
            .filter(|weight| (0.0..=1.0).contains(weight));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 1000"
        )]
        let weight = weight.map_or(1000, |weight| (weight * 1000.0) as u16);
        (essence(item), weight)
    })
}

/// Which form messages have: what a content type says behind its `+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Protobuf's wire format.
    Proto,
    /// ProtoJSON.
    Json,
}

impl Codec {
    /// The codec of this name, `proto` or `json`.
    pub const fn from_name(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"proto") {
            Some(Self::Proto)
        } else if name.eq_ignore_ascii_case(b"json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// The content type of gRPC with messages of this form.
    pub fn grpc(self) -> HeaderValue {
        match self {
            Self::Proto => APPLICATION_GRPC.clone(),
            Self::Json => HeaderValue::from_static("application/grpc+json"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Codec, essence, is_grpc_content_type};

    #[test]
    fn a_content_type_in_parts() {
        assert_eq!(essence(b"application/json ; charset=utf-8"), b"application/json");
        assert_eq!(essence(b"application/grpc"), b"application/grpc");
        assert_eq!(essence(b""), b"");
        assert_eq!(Codec::from_name(b"JSON"), Some(Codec::Json));
        assert_eq!(Codec::from_name(b"proto"), Some(Codec::Proto));
        assert_eq!(Codec::from_name(b"protobuf"), None);
        for codec in [Codec::Proto, Codec::Json] {
            assert!(is_grpc_content_type(codec.grpc().as_bytes()));
        }
    }

    #[test]
    fn grpc_content_types() {
        for yes in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc+json",
            "application/grpc;charset=utf-8",
            "application/grpc ; x=y",
            "Application/GRPC",
        ] {
            assert!(is_grpc_content_type(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            "application/grp",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpcfoo",
            "application/json",
            "text/html; x=application/grpc",
        ] {
            assert!(!is_grpc_content_type(no.as_bytes()), "{no}");
        }
    }
}
