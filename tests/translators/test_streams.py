"""Streams by gRPC-Web and Connect: as bytes, and by connectrpc's client."""

import base64
import json

import pytest
from connectrpc import compat
from connectrpc.client import ConnectClientSync
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from envelopes import end, envelope, split, trailers

PATH = "/web.v1.Echo"


def say(*texts):
    return b"".join(envelope(json.dumps({"text": text}).encode()) for text in texts)


def connect(client, method, body, **headers):
    head = {"content-type": "application/connect+json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    response = client.post(f"{PATH}/{method}", content=body, headers=head)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/connect+json")
    *messages, (flag, last) = split(response.content)
    assert flag == 2
    return [json.loads(message)["text"] for _, message in messages], end(last)


def test_connect(client):
    assert connect(client, "Down", say("a")) == (["a 0", "a 1", "a 2"], {})
    assert connect(client, "Up", say("a", "b")) == (["a b"], {})
    assert connect(client, "Both", say("a", "b")) == (["a", "b"], {})
    assert connect(client, "Both", b"") == ([], {})


def test_connect_an_error_after_messages(client):
    texts, last = connect(client, "Down", say("broken"))
    assert texts == ["broken 0", "broken 1", "broken 2"]
    assert last == {"error": {"code": "aborted", "message": "it broke"}, "metadata": {"x-trailing": ["t"]}}


def test_connect_what_is_wrong(client):
    assert connect(client, "Both", envelope(b"{"))[1]["error"]["code"] == "invalid_argument"
    assert connect(client, "Up", say("a"), connect_timeout_ms="soon")[1]["error"]["code"] == "invalid_argument"
    unknown = connect(client, "Both", say("a"), connect_content_encoding="snappy")
    assert unknown[1]["error"]["code"] == "unimplemented"


def test_grpc_web(client, web_pb2):
    head = {"content-type": "application/grpc-web-text+proto", "accept": "application/grpc-web+proto"}
    # Padded in the middle, as clients do that encode message by message.
    body = b"".join(base64.b64encode(envelope(web_pb2.Say(text=text).SerializeToString())) for text in ("a", "bc", "def"))
    response = client.post(f"{PATH}/Both", content=body, headers=head)
    *messages, (flag, last) = split(response.content)
    assert [web_pb2.Said.FromString(message).text for _, message in messages] == ["a", "bc", "def"]
    assert (flag, trailers(last)["grpc-status"]) == (0x80, "0")


def test_grpc_web_an_error_after_messages(client, web_pb2):
    head = {"content-type": "application/grpc-web"}
    body = envelope(web_pb2.Say(text="broken").SerializeToString())
    *messages, (flag, last) = split(client.post(f"{PATH}/Down", content=body, headers=head).content)
    assert (len(messages), flag) == (3, 0x80)
    assert trailers(last) == {"grpc-status": "10", "grpc-message": "it broke", "x-trailing": "t"}


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB], ids=["connect", "grpc-web"])
@pytest.mark.parametrize("codec", compat.google_protobuf_codecs(), ids=lambda codec: codec.name())
def test_connectrpc(server, web_pb2, protocol, codec):
    def method(name, stream_type):
        return MethodInfo(
            name=name,
            service_name="web.v1.Echo",
            input=web_pb2.Say,
            output=web_pb2.Said,
            idempotency_level=IdempotencyLevel.UNKNOWN,
            stream_type=stream_type,
        )

    said = [web_pb2.Say(text=text) for text in ("a", "b")]
    with ConnectClientSync(server.url, protocol=protocol, codec=codec) as client:
        down = client.execute_server_stream(request=said[0], method=method("Down", StreamType.SERVER_STREAM))
        assert [each.text for each in down] == ["a 0", "a 1", "a 2"]
        up = client.execute_client_stream(request=iter(said), method=method("Up", StreamType.CLIENT_STREAM))
        assert up.text == "a b"
        down = client.execute_server_stream(request=web_pb2.Say(text="broken"), method=method("Down", StreamType.SERVER_STREAM))
        with pytest.raises(ConnectError, match="it broke") as raised:
            list(down)
        assert raised.value.code is Code.ABORTED
