"""What a ``--grpc`` callable registers on."""

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from narthex.grpc.registrar import Registrar, RegistrationError


@pytest.fixture
def registrar():
    made = Registrar()
    made.register_for("app:register")
    return made


@pytest.fixture(scope="module")
def kitchen(protos):
    from kitchen.v1 import kitchen_pb2_grpc

    return kitchen_pb2_grpc


def handler():
    return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def test_generated_code_works_as_it_is(registrar, kitchen):
    kitchen.add_LarderServicer_to_server(kitchen.LarderServicer(), registrar)
    kitchen.add_KitchenServicer_to_server(kitchen.KitchenServicer(), registrar)
    assert registrar.services == ("kitchen.v1.Larder", "kitchen.v1.Kitchen")
    assert set(registrar.methods) == {
        "/kitchen.v1.Larder/List",
        *(f"/kitchen.v1.Kitchen/{name}" for name in ("Echo", "EchoSync", "Wait", "Watch")),
    }
    assert registrar.methods["/kitchen.v1.Kitchen/Watch"].response_streaming
    assert registrar.generic_handlers == ()
    assert registrar.problems() == []


def test_code_generated_before_registered_methods(registrar):
    first = handler()
    registrar.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("old.Service", {"A": first}),))
    assert registrar.methods == {"/old.Service/A": first}
    assert registrar.services == ("old.Service",)


def test_handlers_without_a_list_of_methods_are_kept(registrar):
    class Dynamic(grpc.GenericRpcHandler):
        def service(self, handler_call_details):
            return None

    class Named(grpc.ServiceRpcHandler):
        def service_name(self):
            return "dynamic.Service"

        def service(self, handler_call_details):
            return None

    first, second = Dynamic(), Named()
    registrar.add_generic_rpc_handlers([first, second])
    assert registrar.generic_handlers == (first, second)
    assert registrar.services == ("dynamic.Service",)
    assert registrar.methods == {}


def test_registered_goes_before_generic(registrar):
    generic, registered = handler(), handler()
    registrar.add_registered_method_handlers("a.S", {"M": registered})
    registrar.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a.S", {"M": generic})])
    assert registrar.methods["/a.S/M"] is registered
    assert registrar.problems() == []


def test_registered_twice_is_one_problem_for_each_service(registrar, kitchen):
    kitchen.add_KitchenServicer_to_server(kitchen.KitchenServicer(), registrar)
    registrar.register_for("app:other")
    kitchen.add_KitchenServicer_to_server(kitchen.KitchenServicer(), registrar)
    (problem,) = registrar.problems()
    assert problem.where == "--grpc app:other"
    assert problem.what == "registers kitchen.v1.Kitchen a second time (Echo, EchoSync, Wait, Watch)"
    assert "app:register" in problem.hint


def test_is_a_server_to_those_who_ask(registrar):
    assert isinstance(registrar, aio.Server)
    reflection.enable_server_reflection(["a.S", reflection.SERVICE_NAME], registrar)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), registrar)
    assert registrar.services == ("grpc.reflection.v1alpha.ServerReflection", "grpc.health.v1.Health")


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda server: server.add_insecure_port("[::]:50051"), "--bind [::]:50051"),
        (lambda server: server.add_secure_port("[::]:50051", None), "--bind [::]:50051"),
        (lambda server: server.start(), "leave the call out"),
        (lambda server: server.stop(None), "--graceful-timeout"),
        (lambda server: server.wait_for_termination(), "leave the call out"),
    ],
)
def test_what_narthex_does_itself_is_refused(registrar, call, instead):
    with pytest.raises(RegistrationError) as caught:
        call(registrar)
    assert instead in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda server: server.add_generic_rpc_handlers([object()]),
        lambda server: server.add_generic_rpc_handlers(grpc.method_handlers_generic_handler("a.S", {})),
        lambda server: server.add_registered_method_handlers("a.S", {"M": lambda request, context: None}),
    ],
)
def test_what_is_no_handler_is_refused(registrar, call):
    with pytest.raises(RegistrationError):
        call(registrar)


def test_sealed(registrar):
    registrar.seal()
    with pytest.raises(RegistrationError, match="before"):
        registrar.add_registered_method_handlers("a.S", {"M": handler()})
    with pytest.raises(RegistrationError, match="before"):
        registrar.add_generic_rpc_handlers([])


def test_interceptors(registrar):
    class Asynchronous:
        async def intercept_service(self, continuation, details): ...

    class Synchronous:
        def intercept_service(self, continuation, details): ...

    first, second, third = Asynchronous(), Synchronous(), Asynchronous()
    registrar.add_interceptors(first, second)
    registrar.add_interceptors(third)
    assert registrar.interceptors == (first, third, second)
    with pytest.raises(RegistrationError, match="intercept_service"):
        registrar.add_interceptors(object())
