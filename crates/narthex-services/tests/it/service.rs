use futures_util::FutureExt as _;
use http::Request;
use narthex_services::{HEALTH, REFLECTION_V1, REFLECTION_V1ALPHA, Services};
use narthex_wire::Body;
use tower_service::Service as _;

use crate::{over, pool, request, services};

/// Whether these services answer this request, or the one behind them.
fn answers(services: &Services, request: Request<Body>) -> bool {
    let Ok(response) = over(services).call(request).now_or_never().expect("nothing to wait for");
    response.headers().get("grpc-message").is_none_or(|message| message != "Method not found!")
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

fn answered(services: &Services) -> Vec<&'static str> {
    let paths = [CHECK, V1, V1ALPHA];
    paths.into_iter().filter(|path| answers(services, request(path, Body::empty()))).collect()
}

#[test]
fn what_the_program_registers_is_its_own() {
    assert_eq!(answered(&services(&["a.B"])), [CHECK, V1, V1ALPHA]);
    assert_eq!(answered(&services(&[HEALTH])), [V1, V1ALPHA]);
    assert_eq!(answered(&services(&[REFLECTION_V1ALPHA])), [CHECK, V1]);
    assert_eq!(answered(&services(&[REFLECTION_V1, REFLECTION_V1ALPHA, HEALTH])), [""; 0]);
}

#[test]
fn reflection_can_be_off() {
    let services = Services::new(&pool(), &[], false);
    assert_eq!(answered(&services), [CHECK]);
    assert!(services.paths().all(|path| path.starts_with("/grpc.health.v1.Health/")));
    assert_eq!(services.paths().count(), 3);
}

#[test]
fn everything_else_is_handed_on() {
    let services = services(&[]);
    for request in [
        request("/shop.v1.ShopService/Get", Body::empty()),
        request("/grpc.health.v1.Health/Nothing", Body::empty()),
        request("/grpc.health.v2.Health/Check", Body::empty()),
        Request::get(CHECK).header("content-type", "application/grpc").body(Body::empty()).unwrap(),
        Request::post(CHECK).header("content-type", "application/json").body(Body::empty()).unwrap(),
    ] {
        assert!(!answers(&services, request));
    }
}
