"""What clients of every protocol get of services that are elsewhere."""

import gzip
import json
import queue

import grpc
import pytest
from envelopes import end, envelope, split, trailers
from google.rpc import status_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from wires import Http2

PATIENCE = 20.0
CONNECT = {"content-type": "application/json", "connect-protocol-version": "1"}


@pytest.fixture(params=["http/1.1", "http/2"])
def client(gateway, request):
    http2 = request.param == "http/2"
    with gateway.client(http1=not http2, http2=http2) as client:
        yield client


def test_a_unary_call(echo, upstream, web_pb2):
    metadata = (("x-question", "q"), ("x-token-bin", b"\0\1"))
    said, call = echo.Unary.with_call(web_pb2.Say(text="a"), metadata=metadata, timeout=PATIENCE)
    assert said == web_pb2.Said(text="a", question="q")
    initial = dict(call.initial_metadata())
    assert (initial["x-initial"], initial["x-initial-bin"]) == ("i", b"\1\2")
    assert dict(call.trailing_metadata())["x-trailing"] == "t"
    assert upstream.metadata["x-token-bin"] == b"\0\1"
    assert "grpc-python" in upstream.metadata["user-agent"]
    assert upstream.metadata["x-forwarded-for"] == "127.0.0.1"
    assert upstream.metadata["x-forwarded-proto"] == "http"
    # grpcio sends a timeout of this size in tenths of a second, rounded up.
    assert PATIENCE - 5 < upstream.remaining <= PATIENCE + 0.2


def test_an_error_with_details(echo, web_pb2):
    with pytest.raises(grpc.RpcError) as raised:
        echo.Fail(web_pb2.Say(text="no ä"), timeout=PATIENCE)
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.NOT_FOUND, "no ä")
    metadata = dict(raised.value.trailing_metadata())
    assert metadata["x-trailing"] == "t"
    assert status_pb2.Status.FromString(metadata["grpc-status-details-bin"]).details


def test_streams(echo, web_pb2):
    say = web_pb2.Say
    assert [said.text for said in echo.Down(say(text="a"), timeout=PATIENCE)] == ["a 0", "a 1", "a 2"]
    assert echo.Up((say(text=text) for text in "abc"), timeout=PATIENCE).text == "a b c"
    # Each is sent when the one before has been answered.
    requests = queue.SimpleQueue()
    answers = echo.Both(iter(requests.get, None), timeout=PATIENCE)
    for number in range(5):
        requests.put(say(text=str(number)))
        assert next(answers).text == str(number)
    requests.put(None)
    assert next(answers, None) is None


def test_compressed_messages_pass_as_they_are(serve, start_upstream, web_pb2):
    text = "a" * 100_000
    message = gzip.compress(web_pb2.Say(text=text).SerializeToString())
    head = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-encoding", "gzip")]
    head.append(("grpc-accept-encoding", "identity, gzip"))

    def answer(target, message):
        host, port = target.split(":")
        with Http2((host, int(port))) as client:
            client.request("/web.v1.Echo/Unary", "POST", head, b"\1" + len(message).to_bytes(4, "big") + message)
            response = client.response()
        # A lone head has the status itself.
        ended = dict(response.headers) | dict(response.trailers)
        return ended.get("grpc-encoding"), response.body, ended["grpc-status"], ended.get("grpc-message")

    with (
        start_upstream(compression=grpc.Compression.Gzip) as upstream,
        serve("--upstream", upstream.url) as server,
    ):
        direct = answer(upstream.target, message)
        assert answer(server.target, message) == direct
        encoding, body, status, _ = direct
        assert (encoding, body[0], status) == ("gzip", 1, "0")
        assert web_pb2.Said.FromString(gzip.decompress(body[5:])).text == text
        # What cannot be decompressed is for the upstream to say.
        broken = answer(server.target, message[:-9])
        assert broken == answer(upstream.target, message[:-9])
        assert broken[2] != "0"


def test_a_deadline(echo, upstream, web_pb2):
    with pytest.raises(grpc.RpcError) as raised:
        echo.Unary(web_pb2.Say(text="hang"), timeout=1)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert upstream.ended.get(timeout=PATIENCE) == "hang"


def test_a_deadline_of_a_json_call_reaches_the_upstream(client, upstream):
    response = client.post("/web.v1.Echo/Unary", json={"text": "hang"}, headers={"grpc-timeout": "1S"})
    assert (response.status_code, response.json()["code"]) == (504, 4)
    assert upstream.ended.get(timeout=PATIENCE) == "hang"


def test_a_cancelled_call_is_cancelled_there(echo, upstream, web_pb2):
    call = echo.Unary.future(web_pb2.Say(text="hang"), timeout=PATIENCE)
    assert upstream.began.get(timeout=PATIENCE) == "hang"
    call.cancel()
    assert upstream.ended.get(timeout=PATIENCE) == "hang"


def test_a_client_that_leaves_a_stream_ends_it_there(echo, upstream, web_pb2):
    call = echo.Down(web_pb2.Say(text="forever"), timeout=PATIENCE)
    next(call)
    call.cancel()
    assert upstream.ended.get(timeout=PATIENCE) == "forever"


def test_a_client_that_does_not_read_holds_the_upstream_back(gateway, upstream, stub, web_pb2):
    options = [("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0)]
    with grpc.insecure_channel(gateway.target, options=options) as channel:
        call = stub(channel).Down(web_pb2.Say(text="forever"), timeout=PATIENCE)
        next(call)
        before = -1
        while upstream.sent != before:
            before = upstream.sent
            # Round trips by the same way and to the same server, in which the flood could go on.
            for _ in range(100):
                stub(channel).Unary(web_pb2.Say(), timeout=PATIENCE)
        # 10 KB each: windows and buffers on the way, and no more.
        assert before < 1000
        call.cancel()
    assert upstream.ended.get(timeout=PATIENCE) == "forever"


def test_json(client, upstream):
    response = client.post("/web.v1.Echo/Unary", json={"text": "a"}, headers={"x-question": "q"})
    assert (response.status_code, response.json()) == (200, {"text": "a", "question": "q"})
    response = client.post("/web.v1.Echo/Fail", json={"text": "no"})
    assert response.status_code == 404
    assert response.json()["details"][0]["reason"] == "TESTED"
    response = client.post("/web.v1.Echo/Down", json={"text": "a"})
    assert [said["text"] for said in response.json()] == ["a 0", "a 1", "a 2"]


def test_connect(client):
    response = client.post("/web.v1.Echo/Unary", content=b'{"text": "a"}', headers=CONNECT)
    assert (response.status_code, response.json()) == (200, {"text": "a"})
    assert response.headers["trailer-x-trailing"] == "t"
    response = client.post("/web.v1.Echo/Fail", content=b'{"text": "no"}', headers=CONNECT)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    response = client.get("/web.v1.Echo/Look?connect=v1&encoding=json&message=%7B%22text%22%3A%22a%22%7D")
    assert response.json() == {"text": "a"}
    head = CONNECT | {"content-type": "application/connect+json"}
    response = client.post("/web.v1.Echo/Down", content=envelope(b'{"text": "a"}'), headers=head)
    *said, last = split(response.content)
    assert [json.loads(message)["text"] for _, message in said] == ["a 0", "a 1", "a 2"]
    assert end(last[1]) == {}


def test_grpc_web(client, web_pb2):
    head = {"content-type": "application/grpc-web+proto"}
    message = envelope(web_pb2.Say(text="a").SerializeToString())
    response = client.post("/web.v1.Echo/Unary", content=message, headers=head)
    (_, said), (_, last) = split(response.content)
    assert web_pb2.Said.FromString(said).text == "a"
    # What a server says comes through as it says it: grpcio has a message for success too.
    assert trailers(last) == {"grpc-status": "0", "grpc-message": "", "x-trailing": "t"}


def test_reflection_tells_of_what_is_elsewhere(gateway):
    with grpc.insecure_channel(gateway.target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        questions = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="web.v1.Echo"),
        ]
        listed, file = stub.ServerReflectionInfo(iter(questions), timeout=PATIENCE)
    names = {service.name for service in listed.list_services_response.service}
    assert {"web.v1.Echo", "web.v1.Other", "grpc.health.v1.Health"} <= names
    assert file.file_descriptor_response.file_descriptor_proto


def test_what_nobody_has(client, echo, gateway):
    assert client.get("/nothing").status_code == 404
    assert client.post("/web.v1.Echo/Nothing", json={}).status_code == 404
    with grpc.insecure_channel(gateway.target) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/web.v1.Echo/Nothing")(b"", timeout=PATIENCE)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_path_of_a_method_says_how_it_is_called(client):
    response = client.get("/web.v1.Echo/Unary")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
