"""What a context tells of the HTTP request that its call came as."""

import json

import grpc
import pytest


@pytest.fixture(scope="module")
def server(serve, protos):
    with serve("--grpc", "grpc_context:register") as server:
        yield server


def test_a_call_of_grpc(server, kind):
    from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc

    with grpc.insecure_channel(server.target, [("grpc.default_authority", "shop.example:1")]) as channel:
        method = getattr(kitchen_pb2_grpc.KitchenStub(channel), f"Echo{kind}")
        told = json.loads(method(kitchen_pb2.EchoRequest(), timeout=20).text)
    assert told == ["shop.example:1", "shop.example:1", None, None]


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_a_call_that_came_as_json(server, kind, http2):
    path = f"/kitchen.v1.Kitchen/Echo{kind}"
    with server.client(http1=not http2, http2=http2) as client:
        response = client.post(path, json={}, headers={"host": "shop.example"}).raise_for_status()
    assert json.loads(response.json()["text"]) == ["shop.example", "shop.example", "POST", path]
