//! The query of a GET: a unary call's message and what is said about it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use narthex_wire::encoding::Enabled;
use narthex_wire::{Codec, Encoding, Status};
use percent_encoding::percent_decode;

/// Reads padding, and does without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What the query of a GET says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// How the message is written.
    pub codec: Codec,
    /// How it is compressed.
    pub encoding: Encoding,
    /// It.
    pub message: Vec<u8>,
}

/// Whether a query says that it is one of Connect's.
pub fn is_connect(query: &str) -> bool {
    query.split('&').any(|pair| pair == "connect=v1")
}

impl Query {
    /// Reads a query, whose parameters come in any order, those of nobody among them.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` if it has no message, or one that cannot be read; `UNIMPLEMENTED` for a compression that we do not know.
    /// `None` instead of a codec if there is none of that name.
    pub fn read(query: &str) -> Result<Option<Self>, Status> {
        let (mut message, mut encoding, mut is_base64, mut compression) =
            (None, None, false, Encoding::Identity);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = unescape(value);
            match name {
                "message" => message = Some(value),
                "encoding" => encoding = Some(value),
                "base64" => is_base64 = &*value == b"1",
                "compression" if !value.is_empty() => compression = Enabled::ALL.named(&value)?,
                _ => {}
            }
        }
        let message = message.ok_or_else(|| missing("message"))?;
        let Some(codec) = Codec::from_name(&encoding.ok_or_else(|| missing("encoding"))?) else {
            return Ok(None);
        };
        let message = if is_base64 {
            BASE64.decode(&message).map_err(|error| {
                Status::invalid_argument(format!("the query parameter \"message\" is not base64: {error}"))
            })?
        } else {
            message.into_owned()
        };
        Ok(Some(Self { codec, encoding: compression, message }))
    }
}

fn missing(name: &str) -> Status {
    Status::invalid_argument(format!("the query parameter {name:?} is missing"))
}

/// Decodes as forms are, where `+` is a space.
fn unescape(value: &str) -> Cow<'_, [u8]> {
    if value.contains('+') {
        return percent_decode(value.replace('+', " ").as_bytes()).collect::<Vec<u8>>().into();
    }
    percent_decode(value.as_bytes()).into()
}
