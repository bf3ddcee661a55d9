use narthex_wire::{Connection, Endpoint, Flow, Origin};
use std::sync::Arc;

use crate::{Oracle, call, origin, reply, stack};

#[test]
fn to_a_stranger_the_method_does_not_exist() {
    for stranger in [Some(origin("10.0.0.1:5")), None] {
        let mut request = call("GET", "/", &[("x-forwarded-for", "127.0.0.1")], &Oracle::default());
        request.extensions_mut().remove::<Origin>();
        if let Some(stranger) = stranger {
            request.extensions_mut().insert(stranger);
        }
        let reply = reply(stack(|_| panic!("the application must not see this")), request);
        assert_eq!(reply.trailers["grpc-status"], "12");
        assert_eq!(reply.trailers["grpc-message"], "Method not found!");
        assert_eq!(reply.flow, Flow::Grpc);
    }
}

#[test]
fn a_unix_socket_is_trusted_only_by_its_word() {
    let mut request = call("GET", "/", &[], &Oracle::default());
    let unix = Endpoint::Unix(None);
    let connection = Arc::new(Connection::plain(unix.clone(), unix));
    request.extensions_mut().insert(Origin::of(&connection));
    let reply = reply(stack(|_| panic!("the application must not see this")), request);
    assert_eq!(reply.trailers["grpc-status"], "12");
}
