use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};

use narthex_services::ServingStatus::{NotServing, ServiceUnknown, Serving};
use narthex_services::{Health, ServingStatus};
use narthex_wire::{Body, envelope};
use prost::Message;

use crate::{Next, code, next, next_with, request, respond, services, unary};

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct Reply {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Listing {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, Reply>,
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

fn asks(service: &str) -> Request {
    Request { service: service.to_owned() }
}

fn is(status: ServingStatus) -> Reply {
    Reply { status: status.into() }
}

fn watch(services: &narthex_services::Services, service: &str) -> Body {
    let message = envelope::encode(&asks(service).encode_to_vec());
    respond(services, request(WATCH, Body::full(message))).into_body()
}

#[test]
fn registered_services_and_the_server_are_serving() {
    let services = services(&["shop.v1.ShopService"]);
    for name in ["", "shop.v1.ShopService"] {
        assert_eq!(unary(&services, CHECK, &asks(name)), Ok(is(Serving)));
    }
    services.health().set("shop.v1.ShopService", NotServing);
    assert_eq!(unary(&services, CHECK, &asks("shop.v1.ShopService")), Ok(is(NotServing)));
    assert_eq!(unary(&services, CHECK, &asks("")), Ok(is(Serving)));
}

#[test]
fn an_unknown_service_is_not_found() {
    let refused = unary::<Reply>(&services(&[]), CHECK, &asks("a.B")).unwrap_err();
    assert_eq!(refused, ("5".to_owned(), "the service \"a.B\" is not known here".to_owned()));
}

#[test]
fn all_are_listed() {
    let services = services(&["a.B"]);
    let expect = HashMap::from([(String::new(), is(Serving)), ("a.B".to_owned(), is(Serving))]);
    assert_eq!(unary(&services, "/grpc.health.v1.Health/List", &()), Ok(Listing { statuses: expect }));
}

#[test]
fn a_watch_tells_the_status_and_each_change() {
    let services = services(&["a.B"]);
    let mut body = watch(&services, "a.B");
    assert_eq!(next(&mut body), Next::Message(is(Serving)));
    assert_eq!(next::<Reply>(&mut body), Next::Pending);
    services.health().set("a.B", NotServing);
    assert_eq!(next(&mut body), Next::Message(is(NotServing)));
    // Somebody else's change, and a change that is none, are no news.
    services.health().set("", NotServing);
    services.health().set("a.B", NotServing);
    assert_eq!(next::<Reply>(&mut body), Next::Pending);
}

#[test]
fn a_watch_of_an_unknown_service_waits_for_it() {
    let services = services(&[]);
    let mut body = watch(&services, "a.B");
    assert_eq!(next(&mut body), Next::Message(is(ServiceUnknown)));
    assert_eq!(next::<Reply>(&mut body), Next::Pending);
    services.health().set("a.B", Serving);
    assert_eq!(next(&mut body), Next::Message(is(Serving)));
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_change_wakes_those_who_wait_and_only_them() {
    let services = services(&["a.B"]);
    let count = Arc::new(Count::default());
    let waker = Arc::clone(&count).into();
    let mut cx = Context::from_waker(&waker);
    let mut waiting = watch(&services, "a.B");
    assert_eq!(next_with(&mut waiting, &mut cx), Next::Message(is(Serving)));
    services.health().set("a.B", NotServing);
    assert_eq!(count.0.load(Ordering::Relaxed), 0, "it was not waiting yet");
    assert_eq!(next_with(&mut waiting, &mut cx), Next::Message(is(NotServing)));
    assert_eq!(next_with::<Reply>(&mut waiting, &mut cx), Next::Pending);
    services.health().set("a.B", Serving);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(next_with(&mut waiting, &mut cx), Next::Message(is(Serving)));
    assert_eq!(next_with::<Reply>(&mut waiting, &mut cx), Next::Pending);
    drop(waiting);
    services.health().set("a.B", NotServing);
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "a dropped watch is forgotten");
}

#[test]
fn shutting_down_is_told_and_ends_watches() {
    let services = services(&["a.B"]);
    let mut body = watch(&services, "a.B");
    assert_eq!(next(&mut body), Next::Message(is(Serving)));
    services.shutdown();
    assert_eq!(next(&mut body), Next::Message(is(NotServing)));
    assert_eq!(code(&next::<Reply>(&mut body)), "14");
    assert_eq!(next::<Reply>(&mut body), Next::End);
    services.health().set("a.B", Serving);
    assert_eq!(unary(&services, CHECK, &asks("a.B")), Ok(is(NotServing)));
}

#[test]
fn bad_requests_get_their_status() {
    let services = services(&[]);
    let status = |body: &'static [u8]| {
        let response = respond(&services, request(CHECK, Body::full(body)));
        response.headers()["grpc-status"].to_str().unwrap().to_owned()
    };
    assert_eq!(status(b"\0\0\0\0\x02\x0a\x05"), "13");
    assert_eq!(status(b"\0\0\0\0\x09\x0a"), "13");
    assert_eq!(status(b""), "12");
    assert_eq!(status(b"\0\0\0\0\0\0\0\0\0\0"), "12");
    assert_eq!(status(b"\0\x7f\0\0\0"), "8");
}

#[test]
fn a_registry_alone_serves() {
    assert_eq!(Health::default().get(""), Some(Serving));
    assert_eq!(Health::default().get("a.B"), None);
}
