//! Messages in and out, for unary calls and for streams.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use narthex_wire::{Body, BoxError, Status, Trailers, envelope, names, read_unary, unary_response};
use prost::Message;

use crate::MAX_MESSAGE;

/// The one message of a call.
pub(crate) async fn read<M: Message + Default>(request: Request<Body>) -> Result<M, Status> {
    let (head, body) = request.into_parts();
    decode(&read_unary(body, &head.headers, MAX_MESSAGE).await?)
}

pub(crate) fn decode<M: Message + Default>(message: &Bytes) -> Result<M, Status> {
    // INTERNAL is what gRPC's table of codes has for a request that does not parse.
    M::decode(&**message)
        .map_err(|error| Status::internal(format!("the request message does not parse: {error}")))
}

/// A message in its envelope.
pub(crate) fn encode(message: &impl Message) -> Bytes {
    let mut buffer = Vec::with_capacity(envelope::PREFIX + message.encoded_len());
    buffer.resize(envelope::PREFIX, 0);
    message.encode(&mut buffer).expect("a Vec grows as needed");
    envelope::seal(buffer)
}

pub(crate) fn unary(message: &impl Message) -> Response<Body> {
    unary_response(encode(message), HeaderMap::new(), Trailers::OK)
}

/// A response whose messages and trailers come from this body.
pub(crate) fn stream<B>(body: B) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, names::APPLICATION_GRPC.clone());
    response
}

/// The last frame of a stream.
pub(crate) fn end(status: Status) -> Frame<Bytes> {
    Frame::trailers(status.into_trailers())
}
