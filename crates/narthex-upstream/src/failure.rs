//! What went wrong on the way, as a call's status.

use h2::Reason;
use narthex_wire::{Code, Status};

use crate::address::Address;

/// The status of a call whose stream or connection has failed.
pub(crate) fn status(address: &Address, error: &h2::Error) -> Status {
    if error.is_reset() {
        let code = error.reason().map_or(Code::Internal, code);
        return Status::new(code, format!("the upstream {address} has reset the call: {error}"));
    }
    Status::unavailable(format!("the connection to the upstream {address} is lost: {error}"))
}

/// What gRPC makes of an HTTP/2 error code (PROTOCOL-HTTP2.md, "HTTP2 Transport Mapping").
fn code(reason: Reason) -> Code {
    match reason {
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::CANCEL => Code::Cancelled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// Whether the upstream says that it did nothing at all with the call (RFC 9113 8.7), so that it may be sent again.
pub(crate) fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}
