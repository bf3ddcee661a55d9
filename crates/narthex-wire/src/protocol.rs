//! Telling gRPC from everything else, by content type alone.

use http::{HeaderMap, header::CONTENT_TYPE};

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

#[cfg(test)]
mod tests {
    use super::is_grpc_content_type;

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
