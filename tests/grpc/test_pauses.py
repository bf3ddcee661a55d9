"""A stream of requests may pause for longer than other bodies may; one request may not."""

import pytest
from grpc_reflection.v1alpha import reflection_pb2
from wires import Http1, Http2

HEAD = [("content-type", "application/grpc"), ("te", "trailers")]


def envelope(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


@pytest.mark.parametrize("name", ["Join", "JoinRead", "JoinSync"])
def test_a_stream_that_pauses(serve, name):
    with (
        serve("--grpc", "grpc_streams:register", "--body-timeout", "0.5") as server,
        Http2((server.host, server.port)) as client,
    ):
        client.request(f"/test.Streams/{name}", "POST", HEAD, envelope(b"before"), end=False)
        pausing = client.stream
        # This one began later, so that when it has had its time the other has had it too.
        client.request("/test.Streams/Repeat", "POST", HEAD, end=False)
        assert client.response().status == 408
        client.data(envelope(b"after"), end=True, stream=pausing)
        response = client.response(stream=pausing)
        assert response.body == envelope(b"before after")
        assert response.trailers == [("grpc-status", "0")]


@pytest.mark.parametrize("name", ["Join", "JoinRead", "JoinSync"])
def test_a_stream_over_http1_that_pauses(serve, name):
    web = [("content-type", "application/grpc-web+proto")]
    with (
        serve("--grpc", "grpc_streams:register", "--body-timeout", "0.5") as server,
        Http1((server.host, server.port)) as pausing,
        Http1((server.host, server.port)) as stalled,
    ):
        pausing.request(f"/test.Streams/{name}", "POST", web, envelope(b"before"), end=False)
        stalled.request("/test.Streams/Repeat", "POST", web, envelope(b"1")[:3], end=False)
        assert stalled.response().status == 408
        pausing.data(envelope(b"after"), end=True)
        body = pausing.response().body
    assert body.startswith(envelope(b"before after"))
    assert b"grpc-status:0\r\n" in body.replace(b" ", b"")


def test_reflection_that_pauses(serve):
    question = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    with (
        serve("--grpc", "grpc_streams:register", "--body-timeout", "0.5") as server,
        Http2((server.host, server.port)) as client,
    ):
        client.request("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "POST", HEAD, end=False)
        pausing = client.stream
        client.request("/test.Streams/Repeat", "POST", HEAD, end=False)
        assert client.response().status == 408
        client.data(envelope(question), end=True, stream=pausing)
        response = client.response(stream=pausing)
    assert b"grpc.reflection.v1.ServerReflection" in response.body
    assert response.trailers == [("grpc-status", "0")]
