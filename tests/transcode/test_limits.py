"""What ends a request to the JSON API before its servicer does: each is a google.rpc.Status, wherever it comes from."""

import json

import pytest
from processes import forget_peak, peak
from wires import Http2

MEGABYTE = b"x" * (1 << 20)


def test_the_deadline_of_a_call(wire):
    wire.request("/parcels/me/join", "POST", [("content-type", "application/json"), ("grpc-timeout", "50m")], b"[", end=False)
    response = wire.response("POST")
    assert (response.status, json.loads(response.body)["code"]) == (504, 4)


def test_the_deadline_of_a_stream_that_has_begun(wire):
    headers = [("content-type", "application/x-ndjson"), ("accept", "text/event-stream"), ("grpc-timeout", "2S")]
    wire.request("/parcels/answer", "POST", headers, b'{"text": "a"}\n', end=False)
    response = wire.response("POST")
    data, error, _ = response.body.split(b"\n\n")
    assert (response.status, data, response.cut) == (200, b'data: {"text":"A"}', False)
    assert error.startswith(b"event: error\ndata: ")
    assert json.loads(error.partition(b"data: ")[2])["code"] == 4


def test_a_body_that_says_it_is_too_large(wire):
    wire.request("/parcels/store", "POST", [("content-type", "application/json"), ("content-length", "100000000")], end=False)
    response = wire.response("POST")
    assert (response.status, json.loads(response.body)["code"]) == (413, 8)


@pytest.mark.parametrize("target", ["/parcels/store", "/parcels/mirror", "/parcels/answer"])
def test_a_body_of_a_hundred_megabytes(parcels, target):
    """One string of it, which is not read to its end, nor kept."""
    forget_peak(parcels.pid)
    before = peak(parcels.pid)
    with Http2((parcels.host, parcels.port)) as wire:
        wire.request(target, "POST", [("content-type", "application/json")], b'[{"text": "', end=False)
        # It returns without sending where the answer has come.
        for _ in range(100):
            wire.data(MEGABYTE)
        response = wire.response("POST")
    assert (response.status, json.loads(response.body)["code"]) == (413, 8)
    # The limit is 16 MiB; what grows is copied now and then.
    assert peak(parcels.pid) - before < 64 << 20
