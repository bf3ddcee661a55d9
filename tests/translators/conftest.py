"""A server of ``translated`` for all tests of this folder, and clients of it by HTTP/1.1 and HTTP/2."""

import httpx
import pytest


@pytest.fixture(scope="module")
def server(serve):
    with serve("translated:app", "--grpc", "translated:register", "--cors-origin", "https://page.example") as server:
        yield server


@pytest.fixture(params=["http/1.1", "http/2"])
def client(server, request) -> httpx.Client:
    http2 = request.param == "http/2"
    with server.client(http1=not http2, http2=http2) as client:
        yield client


@pytest.fixture(scope="session")
def web_pb2(protos):
    """The messages; ``protos`` has put their folder on the path."""
    from web.v1 import web_pb2

    return web_pb2
