"""A stream of requests may pause for longer than other bodies may; one request may not."""

import pytest
from wires import Http2

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
