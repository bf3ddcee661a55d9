//! Metadata as headers: reserved names, `-bin` values, and the message's percent-coding.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

/// All but 0x20-0x24 and 0x26-0x7E; what is not ASCII is always encoded.
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Writes no padding, reads both forms.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A status message as a `grpc-message` value.
pub fn percent_encode_message(message: &str) -> HeaderValue {
    let encoded: Cow<'_, str> = utf8_percent_encode(message, MESSAGE).into();
    HeaderValue::try_from(encoded.into_owned()).expect("only visible ASCII and spaces are left")
}

/// The message in a `grpc-message` value. Bad escapes stay as they are and bad UTF-8 is replaced: this cannot fail.
pub fn percent_decode_message(value: &[u8]) -> Cow<'_, str> {
    match percent_decode(value).into() {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Whether this (lower-case) name is the protocol's own, which an application neither sees nor sets as metadata.
///
/// These are gRPC's `grpc-*`, but for the few that gRPC itself hands to applications, and what HTTP needs to carry a call.
pub fn is_reserved(name: &str) -> bool {
    match name.strip_prefix("grpc-") {
        Some(rest) => {
            !matches!(rest, "status-details-bin" | "trace-bin" | "tags-bin" | "previous-rpc-attempts")
        }
        None => {
            matches!(
                name,
                "content-type"
                    | "te"
                    | "host"
                    | "content-length"
                    | "connection"
                    | "keep-alive"
                    | "proxy-connection"
                    | "transfer-encoding"
                    | "upgrade"
                    | "trailer"
            ) || name.starts_with(':')
        }
    }
}

/// Whether values under this name are bytes, in base64 on the wire.
pub fn is_binary(name: &str) -> bool {
    name.ends_with("-bin")
}

/// Bytes as a `-bin` value: standard base64 without padding.
pub fn encode_bin(value: &[u8]) -> HeaderValue {
    HeaderValue::try_from(BASE64.encode(value)).expect("base64 is visible ASCII")
}

/// The values in a `-bin` header: several may be joined by commas, each with or without padding.
///
/// # Errors
///
/// An item is an error where the text is not base64.
pub fn decode_bin(value: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, NotBase64>> + '_ {
    value.split(|byte| *byte == b',').map(|part| BASE64.decode(part.trim_ascii()).map_err(|_| NotBase64))
}

/// The value of a `-bin` header is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

impl fmt::Display for NotBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a -bin header is not base64")
    }
}

impl std::error::Error for NotBase64 {}
