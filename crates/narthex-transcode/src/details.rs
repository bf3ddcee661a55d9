//! Details of a status: google.rpc.BadRequest written, google.rpc.RetryInfo read.

use bytes::Bytes;
use narthex_protojson::put_varint;

use crate::wire::{next_field, put_len, take_varint};

const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const RETRY_INFO: &str = "google.rpc.RetryInfo";

/// A `google.rpc.Status` whose one detail is a `BadRequest` with one violation: what is wrong at `field` of the request.
pub(crate) fn bad_request(code: i32, message: &str, field: &str, description: &str) -> Bytes {
    let mut violation = Vec::new();
    put_len(1, field.as_bytes(), &mut violation);
    put_len(2, description.as_bytes(), &mut violation);
    let mut bad_request = Vec::new();
    put_len(1, &violation, &mut bad_request);
    let mut any = Vec::new();
    put_len(1, BAD_REQUEST.as_bytes(), &mut any);
    put_len(2, &bad_request, &mut any);
    let mut status = vec![1 << 3];
    put_varint(&mut status, u64::from(code.unsigned_abs()));
    put_len(2, message.as_bytes(), &mut status);
    put_len(3, &any, &mut status);
    status.into()
}

/// The seconds, rounded up, after which the `RetryInfo` in a serialized `google.rpc.Status` says to come back.
pub(crate) fn retry_after(status: &Bytes) -> Option<u64> {
    let mut rest = status.clone();
    while !rest.is_empty() {
        let (number, bytes) = next_field(&mut rest)?;
        if let (3, Some(any)) = (number, bytes)
            && let Some(info) = of_type(any, RETRY_INFO)
        {
            let delay = field(info, 1)?;
            let (seconds, nanos) = (varint(&delay, 1), varint(&delay, 2));
            return Some(seconds + u64::from(nanos > 0));
        }
    }
    None
}

/// The value of an Any, if it is of this type.
fn of_type(any: Bytes, name: &str) -> Option<Bytes> {
    let url = field(any.clone(), 1)?;
    let found = url.rsplit(|&byte| byte == b'/').next()?;
    (found == name.as_bytes()).then(|| field(any, 2).unwrap_or_default())
}

fn field(mut message: Bytes, number: u32) -> Option<Bytes> {
    while !message.is_empty() {
        match next_field(&mut message)? {
            (found, Some(bytes)) if found == number => return Some(bytes),
            _ => {}
        }
    }
    None
}

/// A varint field of a flat message; 0 if it is not there or negative.
fn varint(message: &Bytes, number: u32) -> u64 {
    let mut rest = message.clone();
    while let Some(tag) = take_varint(&mut rest) {
        match (take_varint(&mut rest), tag) {
            (Some(value), tag) if tag == u64::from(number) << 3 => {
                return if value > i64::MAX as u64 { 0 } else { value };
            }
            (Some(_), _) => {}
            (None, _) => break,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_with(type_url: &str, value: &[u8]) -> Bytes {
        let mut any = Vec::new();
        put_len(1, type_url.as_bytes(), &mut any);
        put_len(2, value, &mut any);
        let mut status = vec![1 << 3, 14];
        put_len(3, &any, &mut status);
        status.into()
    }

    #[test]
    fn retry_info_is_in_whole_seconds() {
        let info = |delay: &[u8]| {
            let mut info = Vec::new();
            put_len(1, delay, &mut info);
            status_with("type.googleapis.com/google.rpc.RetryInfo", &info)
        };
        assert_eq!(retry_after(&info(&[8, 30])), Some(30));
        assert_eq!(retry_after(&info(&[8, 1, 16, 1])), Some(2));
        assert_eq!(retry_after(&info(&[])), Some(0));
        assert_eq!(retry_after(&status_with("type.googleapis.com/google.rpc.ErrorInfo", b"")), None);
        assert_eq!(retry_after(&Bytes::from_static(b"\xff\xff")), None);
        assert_eq!(retry_after(&Bytes::new()), None);
    }
}
