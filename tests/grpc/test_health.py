"""``narthex.grpc.health``: what the program sets is what health tells."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

Status = health_pb2.HealthCheckResponse.ServingStatus


@pytest.fixture(scope="module")
def server(serve):
    with serve("--grpc", "translated:register_unwell") as server:
        yield server


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.target) as channel:
        yield channel


def check(channel, service):
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=20).status


def test_what_was_set_before_the_start(channel):
    assert check(channel, "web.v1.Echo") == Status.NOT_SERVING
    assert check(channel, "") == Status.SERVING


def test_what_is_set_later_is_told_to_those_who_watch(channel, protos):
    from web.v1 import web_pb2, web_pb2_grpc

    tell = web_pb2_grpc.OtherStub(channel).Unary
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="web.v1.Other"), timeout=20)
    assert next(watch).status == Status.SERVING
    tell(web_pb2.Say(text="NOT_SERVING"), timeout=20)
    assert next(watch).status == Status.NOT_SERVING
    assert check(channel, "web.v1.Other") == Status.NOT_SERVING
    tell(web_pb2.Say(text="SERVING"), timeout=20)
    assert next(watch).status == Status.SERVING


def test_what_is_no_status(channel, protos):
    from web.v1 import web_pb2, web_pb2_grpc

    with pytest.raises(grpc.RpcError, match="'WELL' is none of UNKNOWN, SERVING, NOT_SERVING"):
        web_pb2_grpc.OtherStub(channel).Unary(web_pb2.Say(text="WELL"), timeout=20)
