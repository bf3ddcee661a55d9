//! google.api.HttpBody as http-over-grpc reads it, against prost.

use bytes::Bytes;
use narthex_http_over_grpc::http_body::HttpBody;
use narthex_wire::envelope::PREFIX;
use prost::Message as _;

/// The target.
pub fn run(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    let read = HttpBody::decode(&message);
    // A field of ours with another wire type is unknown to protobuf's own readers, as to ours; to prost it is an error.
    if let Ok(Oracle { content_type, data }) = Oracle::decode(message) {
        assert_eq!(read.as_ref().expect("prost can read it"), &HttpBody { content_type, data });
    }
    if let Ok(body) = read {
        let written = body.encode().slice(PREFIX..);
        assert_eq!(HttpBody::decode(&written).expect("what is written can be read"), body);
        let Oracle { content_type, data } = Oracle::decode(written).expect("prost can read it too");
        assert_eq!(HttpBody { content_type, data }, body);
    }
}

/// The fields that are read.
#[derive(Clone, PartialEq, prost::Message)]
struct Oracle {
    #[prost(bytes = "bytes", tag = "1")]
    content_type: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
}
