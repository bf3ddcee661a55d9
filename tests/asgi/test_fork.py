"""A handler that forks while the standby drives: the parent goes on, and the child never serves."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from waiting import until


@pytest.fixture(params=["uvloop", "asyncio"], scope="module")
def server(serve, request):
    with serve("asgi_kitchen:app", "--grpc", "exits:register", "--loop", request.param) as server:
        yield server


def healthy(server):
    with grpc.insecure_channel(server.target) as channel:
        status = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20).status
    return status == health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def during_the_standby(server, dial, version, tmp_path):
    """The response to a request that blocks until the standby has answered a health check, and then goes on."""

    def during(path, query=""):
        release = tmp_path / "release"
        connection = dial(server, version)
        connection.request(f"/{path}?file={release}&{query}")
        until(release.with_suffix(".busy").exists)
        assert healthy(server)
        release.touch()
        response = connection.response()
        # The same connection, and new ones, are served by the parent.
        connection.request("/ordered?number=7")
        assert connection.response().body == b"7"
        assert healthy(server)
        return response

    return during


@pytest.mark.parametrize(
    ("how", "status"),
    [("os-exit", b"3"), ("exits", b"3"), ("exits-with-text", b"1"), ("raises", b"1"), ("returns", b"0"), ("awaits", b"0")],
)
@pytest.mark.parametrize("later", ["", "later=yes"])
def test_the_child_ends_with_its_step(server, during_the_standby, how, status, later):
    response = during_the_standby("fork", f"how={how}&{later}")
    assert (response.status, response.body, response.cut) == (200, status, False)
    if how == "raises":
        server.wait_for("ValueError: in the child")


def test_what_the_child_answers_reaches_nobody(during_the_standby):
    assert during_the_standby("fork", "how=answers").body == b"0"


def test_a_callback_that_forks(server, dial, version):
    connection = dial(server, version)
    connection.request("/fork-in-callback")
    # Its status is the loop's to tell; asyncio's does, uvloop's would disturb the parent by it.
    assert connection.response().body in (b"4", b"0")
    assert healthy(server)


def test_multiprocessing(during_the_standby):
    assert during_the_standby("processes").body == b"[[2, 4], 0]"


def test_programs(during_the_standby):
    assert during_the_standby("programs").body == b"1\n2\n"


def test_a_synchronous_servicer_that_forks(server):
    with grpc.insecure_channel(server.target) as channel:
        fork = channel.unary_unary("/test.Exits/Fork")
        for how, status in ((b"exits", b"3"), (b"raises", b"1"), (b"returns", b"0")):
            assert fork(how, timeout=20) == status
        assert channel.unary_unary("/test.Exits/Echo")(b"here", timeout=20) == b"here"


def test_many_forks_while_others_are_served(server, dial):
    connection = dial(server)
    connection.request("/fork-often?count=60")
    with server.client() as client:
        for number in range(200):
            assert client.get("/ordered", params={"number": number}).text == str(number)
    assert healthy(server)
    assert connection.response().body == b"[0]"
