"""Database connections around calls: those of Django's own requests are its own affair."""

import grpc
import pytest


@pytest.fixture
def call(serve, tmp_path, protos):
    """Calls a method three times and returns what each call found: a connection that is open, or none."""
    from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc

    def run(method, max_age):
        env = {"NX_DATABASE": str(tmp_path / "db.sqlite3"), "NX_MAX_AGE": str(max_age)}
        with (
            serve("django_site:application", "--grpc", "django_site:register", env=env) as server,
            grpc.insecure_channel(server.target) as channel,
            server.client() as client,
        ):
            stub = getattr(kitchen_pb2_grpc.KitchenStub(channel), method)
            found = [stub(kitchen_pb2.EchoRequest(), timeout=10).text for _ in range(3)]
            assert client.get("/page").text == "closed"
            assert server.stop() == 0
            assert "Traceback" not in server.stderr()
        return found

    return run


@pytest.mark.parametrize("method", ["Echo", "EchoSync"])
def test_connection_is_closed_after_each_call(call, method):
    assert call(method, max_age=0) == ["closed", "closed", "closed"]


def test_connection_that_may_live_on_is_kept_on_the_thread_of_async_work(call):
    assert call("Echo", max_age=60) == ["closed", "open", "open"]
