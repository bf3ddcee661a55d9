//! What is learnt of a server by its reflection: our own is the server.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use narthex_protojson::Pool;
use narthex_services::{REFLECTION_V1, REFLECTION_V1ALPHA, Services, discover};
use narthex_wire::{Body, Code, Status, envelope};
use prost::Message as _;
use tower_service::Service;

use crate::{over, reflection, services};

fn learn(services: &Services) -> Result<narthex_services::Discovered, Status> {
    discover(over(services)).now_or_never().expect("nothing to wait for")
}

#[test]
fn services_and_their_files_are_learnt() {
    let served = ["shop.v1.ShopService", "not.described.Service"];
    let learnt = learn(&services(&served)).unwrap();
    assert_eq!(learnt.services, ["not.described.Service", "shop.v1.ShopService"]);
    let pool = Pool::from_file_descriptor_set(&learnt.descriptor_set).unwrap();
    assert!(pool.service("shop.v1.ShopService").is_some() && pool.service("not.described.Service").is_none());
    // As they were given: a file that another imports is the same.
    let given = reflection::files();
    for file in &given.file {
        let ours = pool.file(file.name());
        assert!(ours.is_none_or(|ours| *ours.bytes() == file.encode_to_vec()), "{}", file.name());
    }
}

#[test]
fn v1alpha_will_do() {
    // A service of the program's own is not answered here, and the one behind knows no method.
    let learnt = learn(&services(&["shop.v1.ShopService", REFLECTION_V1])).unwrap();
    assert_eq!(learnt.services, ["shop.v1.ShopService"]);
    assert!(
        Pool::from_file_descriptor_set(&learnt.descriptor_set)
            .unwrap()
            .service("shop.v1.ShopService")
            .is_some()
    );
}

#[test]
fn a_server_without_reflection_says_so() {
    let status = learn(&services(&["shop.v1.ShopService", REFLECTION_V1, REFLECTION_V1ALPHA])).unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

/// Answers everything with these bytes.
struct Says(Bytes);

impl Service<Request<Body>> for Says {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::with_trailers(self.0.clone(), Status::ok().into_trailers()));
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
        std::future::ready(Ok(response))
    }
}

#[test]
fn rubbish_is_refused() {
    for (bytes, expect) in [
        (&b""[..], Ok(0)),
        // An answer that says nothing.
        (b"\0\0\0\0\0", Ok(0)),
        (b"\0\0\0\0\x02\xff\xff", Err(Code::Internal)),
        (b"\0\0\0\0\x09short", Err(Code::Internal)),
    ] {
        let learnt = discover(Says(Bytes::from_static(bytes))).now_or_never().expect("nothing to wait for");
        let learnt = learnt.map(|learnt| learnt.services.len()).map_err(|status| status.code());
        assert_eq!(learnt, expect, "{bytes:?}");
    }
}

#[test]
fn what_all_rounds_tell_is_bounded() {
    // A list of the service a.A, and 40 MiB in a field that nobody knows: one round may tell as much, two may not.
    let mut message = b"\x32\x07\x0a\x05\x0a\x03a.A".to_vec();
    let padding = vec![0; 40 << 20];
    prost::encoding::bytes::encode(15, &padding, &mut message);
    let status =
        discover(Says(envelope::encode(&message))).now_or_never().expect("nothing to wait for").unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "reflection tells more than 67108864 bytes")
    );
}

#[test]
fn a_renewal_keeps_statuses_and_what_is_open() {
    use narthex_services::ServingStatus::{NotServing, Serving};
    let before = services(&["shop.v1.ShopService"]);
    before.health().set("shop.v1.ShopService", NotServing);
    let known = learn(&before).unwrap();
    let pool = Pool::from_file_descriptor_set(&known.descriptor_set).unwrap();
    let after = before.renewed(&pool, &["shop.v1.ShopService".to_owned(), "other.v1.Other".to_owned()]);
    assert_eq!(after.health().get("shop.v1.ShopService"), Some(NotServing));
    assert_eq!(before.health().get("other.v1.Other"), Some(Serving), "they share what they tell");
    assert_eq!(learn(&after).unwrap().services, ["other.v1.Other", "shop.v1.ShopService"]);
    assert_eq!(learn(&before).unwrap().services, ["shop.v1.ShopService"]);
    // A service that is no more is not known any more, unless somebody has said that it does not serve.
    let last = after.renewed(&pool, &[]);
    assert_eq!(last.health().get("other.v1.Other"), None);
    assert_eq!(last.health().get("shop.v1.ShopService"), Some(NotServing));
    last.shutdown();
    assert_eq!(before.health().get(""), Some(NotServing));
}
