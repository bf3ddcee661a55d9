//! What the context says of the HTTP request.

use http::header::HOST;
use narthex_wire::Asked;

use crate::call::Call;

/// The request that the call was made of, where it did not come as gRPC.
pub(super) fn asked(call: &Call) -> Option<&Asked> {
    call.head.extensions.get()
}

/// The host that the client asked for: of a trusted proxy's word, the target, or the header, the first that there is.
pub(super) fn authority(call: &Call) -> Option<String> {
    let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let forwarded = call.origin().and_then(|origin| origin.host.as_ref()).and_then(text);
    let (uri, host) = match asked(call) {
        Some(asked) => (&asked.uri, asked.host.as_ref()),
        None => (&call.head.uri, call.head.headers.get(HOST)),
    };
    forwarded.or_else(|| uri.authority().map(ToString::to_string)).or_else(|| host.and_then(text))
}
