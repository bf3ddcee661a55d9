"""What right answers are: asked by ordinary clients, before and after each server is measured."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import grpc
import httpx

from bench.servers import WrongAnswerError

PATIENCE = 20.0
BIG_BODY = bytes(i * 7 % 251 for i in range(10_000))
ROW = b"All work and no play makes Jack a dull boy. " * 22
HANDLER = "/narthex.asgi.v1.AsgiService/Handler"


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise WrongAnswerError(f"{what} is {repr(found)[:200]}, not {repr(expected)[:200]}")


def http1(
    port: int,
    path: str = "/",
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    expected: bytes = b"OK",
) -> None:
    """Asks once over HTTP/1.1."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body or None, headers or {})
        response = connection.getresponse()
        found = response.read()
    except http.client.HTTPException as error:
        raise WrongAnswerError(f"not HTTP: {error!r}") from error
    finally:
        connection.close()
    _expect("the status", response.status, 200)
    _expect("the body", found, expected)


def http2(port: int, path: str = "/", expected: bytes = b"OK") -> None:
    """Asks once over HTTP/2 with prior knowledge."""
    try:
        with httpx.Client(http1=False, http2=True, trust_env=False, timeout=PATIENCE) as client:
            response = client.get(f"http://127.0.0.1:{port}{path}")
    except httpx.ConnectError as error:
        raise ConnectionError(str(error)) from error
    except httpx.HTTPError as error:
        raise WrongAnswerError(f"not HTTP/2: {error!r}") from error
    _expect("the version", response.http_version, "HTTP/2")
    _expect("the status", response.status_code, 200)
    _expect("the body", response.content, expected)


def echo(port: int) -> None:
    """10 KB come back as they were sent."""
    http1(port, method="POST", body=BIG_BODY, expected=BIG_BODY)


def streamed(port: int) -> None:
    """1 MiB comes, all of it."""
    http1(port, expected=bytes(range(256)) * 256 * 16)


def add_json(port: int, path: str = "/v1/add", headers: Mapping[str, str] | None = None) -> None:
    """JSON in, JSON out; the arguments vary, so that no answer can be a canned one."""
    for a, b in ((1, 2), (20, 22), (-5, 3)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            body = json.dumps({"a": a, "b": b})
            connection.request("POST", path, body, {"content-type": "application/json", **(headers or {})})
            response = connection.getresponse()
            found = response.read()
        except http.client.HTTPException as error:
            raise WrongAnswerError(f"not HTTP: {error!r}") from error
        finally:
            connection.close()
        _expect("the status", response.status, 200)
        _expect("the sum", json.loads(found), {"sum": a + b})


def row_json(number: int) -> bytes:
    """A row of a table as its line."""
    return b'{"number":"%d","text":"%b"}\n' % (number, ROW)


def table_json(port: int) -> None:
    """A table comes row by row."""
    for rows in (1, 3):
        expected = b"".join(map(row_json, range(1, rows + 1)))
        http1(port, f"/v1/rows?rows={rows}", headers={"accept": "application/x-ndjson"}, expected=expected)


def add_connect(port: int) -> None:
    """The same by Connect."""
    add_json(port, "/arithmetic.v1.Calculator/Add", {"connect-protocol-version": "1"})


def add_grpc(port: int) -> None:
    """The client of grpcio adds; a status that is not OK is an error."""
    request_type, response_type = _messages()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            "/arithmetic.v1.Calculator/Add",
            request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString,
        )
        for a, b in ((1, 2), (20, 22), (-5, 3)):
            _expect("the sum", _call(call, request_type(a=a, b=b))[0].sum, a + b)


def repeat_grpc(port: int) -> None:
    """The client of grpcio gets a sum as often as it wants it."""
    from arithmetic.v1 import calculator_pb2 as messages

    with _stub(port) as stub:
        for a, b, times in ((1, 2, 1_000), (20, 22, 3)):
            request = messages.RepeatRequest(add=messages.AddRequest(a=a, b=b), times=times)
            sums = _streamed(stub.Repeat(request, timeout=PATIENCE))
            _expect("the sums", [response.sum for response in sums], [a + b] * times)


def add_each_grpc(port: int) -> None:
    """The client of grpcio gets the sum of each request."""
    from arithmetic.v1 import calculator_pb2 as messages

    pairs = [(1, 2), (20, 22), (-5, 3)]
    with _stub(port) as stub:
        sums = _streamed(stub.AddEach((messages.AddRequest(a=a, b=b) for a, b in pairs), timeout=PATIENCE))
    _expect("the sums", [response.sum for response in sums], [a + b for a, b in pairs])


def mirror_grpc(port: int) -> None:
    """The client of grpcio gets back what it sent."""
    from arithmetic.v1 import calculator_pb2 as messages

    data = bytes(range(256)) * 4096
    with _stub(port) as stub:
        found, _ = _call(stub.Mirror, messages.Chunk(data=data))
    _expect("the data", found.data, data)


@contextmanager
def _stub(port: int) -> Iterator[Any]:
    from arithmetic.v1 import calculator_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield calculator_pb2_grpc.CalculatorStub(channel)


def _streamed(call: Any) -> list[Any]:
    try:
        return list(call)
    except grpc.RpcError as error:
        raise _wrong(error) from error


def asgi_service(port: int) -> None:
    """The call that Envoy makes of an HTTP request."""
    from google.api import httpbody_pb2

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            HANDLER,
            request_serializer=httpbody_pb2.HttpBody.SerializeToString,
            response_deserializer=httpbody_pb2.HttpBody.FromString,
        )
        metadata = (("x-envoy-original-method", "GET"), ("x-envoy-original-path", "/"))
        response, initial = _call(call, httpbody_pb2.HttpBody(), metadata)
    _expect("x-http-code", dict(initial).get("x-http-code"), "200")
    _expect("the body", response.data, b"OK")
    _expect("the content type", response.content_type, "text/plain")


def serving(port: int) -> None:
    """The health service says SERVING."""
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        response, _ = _call(health_pb2_grpc.HealthStub(channel).Check, health_pb2.HealthCheckRequest())
    _expect("the health", response.status, health_pb2.HealthCheckResponse.SERVING)


def _call(call: Any, request: Any, metadata: Any = ()) -> tuple[Any, Any]:
    try:
        response, done = call.with_call(request, metadata=metadata, timeout=PATIENCE)
    except grpc.RpcError as error:
        raise _wrong(error) from error
    return response, done.initial_metadata()


def _wrong(error: Any) -> Exception:
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return ConnectionError(error.details())
    return WrongAnswerError(f"{error.code().name}: {error.details()}")


@cache
def _messages() -> tuple[Any, Any]:
    from arithmetic.v1 import calculator_pb2

    return calculator_pb2.AddRequest, calculator_pb2.AddResponse
