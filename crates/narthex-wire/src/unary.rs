//! One message in, one message out: the calls that are not streams.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};

use crate::body::Body;
use crate::encoding::Encoding;
use crate::envelope::Decoder;
use crate::names;
use crate::status::Status;

/// Reads a body that must hold exactly one message, of at most `limit` bytes, and gives it decompressed.
///
/// A message that comes in one frame is a slice of it.
///
/// # Errors
///
/// `UNIMPLEMENTED` for none or more than one, as gRPC's conformance tests want it; otherwise what
/// [`Encoding::from_headers`], [`Decoder`] and the body itself fail with.
///
/// # Cancel safety
///
/// Dropping the future drops the body.
pub async fn read_unary(mut body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Status> {
    let mut decoder = Decoder::new(Encoding::from_headers(headers)?, limit);
    let mut message = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Status::from_body_error)?.into_data() else { continue };
        decoder.push(data);
        while let Some(next) = decoder.next()? {
            if message.replace(next).is_some() {
                return Err(Status::unimplemented(
                    "more than one message was sent to a method that takes one",
                ));
            }
        }
    }
    decoder.finish()?;
    message.ok_or_else(|| Status::unimplemented("no message was sent to a method that takes one"))
}

/// A response of one envelope (see [`crate::envelope::encode`]) with its initial metadata and trailers.
///
/// The content type is set here. The trailers should hold a `grpc-status`.
pub fn unary_response(envelope: Bytes, initial: HeaderMap, trailers: HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::with_trailers(envelope, trailers));
    *response.headers_mut() = initial;
    response.headers_mut().insert(CONTENT_TYPE, names::APPLICATION_GRPC.clone());
    response
}
