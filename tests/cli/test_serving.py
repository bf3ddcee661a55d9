"""What the options of ``narthex serve`` do."""

import socket
import stat

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc


@pytest.fixture(scope="module")
def kitchen(protos):
    from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc

    def echo(server, text="hi", method="Echo"):
        with grpc.insecure_channel(server.target) as channel:
            stub = kitchen_pb2_grpc.KitchenStub(channel)
            return getattr(stub, method)(kitchen_pb2.EchoRequest(text=text), timeout=10)

    return echo


def scope_of(server, path="/", **options):
    with server.client(**options) as client:
        return client.get(path).raise_for_status().json()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_both_loops(serve, kitchen, loop):
    with serve("plain:app", "--grpc", "services:register", "--loop", loop) as server:
        assert scope_of(server)["type"] == "http"
        assert kitchen(server).text == "hi"


def test_port_0_is_printed_and_written_to_the_ready_fd(serve):
    with serve("plain:app") as server:
        assert server.port > 0
        assert server.addresses == [f"http://127.0.0.1:{server.port}"]
        server.wait_for("Narthex running")
        assert f"INFO:     Narthex running on {server.url} (Press CTRL+C to quit)" in server.stderr().splitlines()
        assert scope_of(server)["server"] == ["127.0.0.1", server.port]


def test_several_addresses(serve):
    with serve("plain:app", "--bind", "127.0.0.1:0", "--bind", "[::1]:0") as server:
        first, second = server.addresses
        assert first.startswith("http://127.0.0.1:")
        assert second.startswith("http://[::1]:")
        for url in (first, second):
            assert httpx.get(url, trust_env=False).status_code == 200


def test_default_address(serve):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8000))
        except OSError:
            pytest.skip("another program uses port 8000")
    with serve("plain:app", bind=False) as server:
        assert server.url == "http://127.0.0.1:8000"


def test_uds(serve, tmp_path):
    path = tmp_path / "narthex.sock"
    with serve("plain:app", "--uds", str(path)) as server:
        assert server.addresses == [f"unix:{path}"]
        assert stat.S_ISSOCK(path.stat().st_mode)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            scope = client.get("http://localhost/").json()
        assert scope["server"] == [str(path), None]
        assert server.stop() == 0
    assert not path.exists()


def test_uds_beside_a_port(serve, tmp_path):
    path = tmp_path / "narthex.sock"
    with serve("plain:app", "--uds", str(path), "--bind", "127.0.0.1:0") as server:
        assert {address.partition(":")[0] for address in server.addresses} == {"http", "unix"}


def test_grpc_over_uds(serve, tmp_path, protos):
    from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc

    path = tmp_path / "narthex.sock"
    # By itself grpc takes the path for the authority, with %2F for its slashes, which is not one (RFC 3986 3.2).
    options = [("grpc.default_authority", "localhost")]
    with (
        serve("--grpc", "services:register", "--uds", str(path)),
        grpc.insecure_channel(f"unix:{path}", options=options) as channel,
    ):
        stub = kitchen_pb2_grpc.KitchenStub(channel)
        assert stub.Echo(kitchen_pb2.EchoRequest(text="hi"), timeout=10).text == "hi"


def test_factory(serve):
    with serve("plain:factory", "--factory") as server:
        assert scope_of(server)["path"] == "/"


def test_root_path(serve):
    with serve("plain:app", "--root-path", "/sub/") as server:
        assert scope_of(server, "/page")["root_path"] == "/sub"


def test_working_folder_is_on_the_import_path(serve, tmp_path):
    (tmp_path / "here.py").write_text("from plain import app\n")
    with serve("here:app", cwd=tmp_path) as server:
        assert scope_of(server)["path"] == "/"


def test_grpc_alone(serve, kitchen):
    with serve("--grpc", "services:register") as server:
        assert kitchen(server).text == "hi"
        with server.client() as client:
            assert client.post("/kitchen/echo", json={"text": "hi"}).json()["text"] == "hi"
            assert client.get("/nowhere").status_code == 404


def test_several_callables_one_of_them_a_coroutine_function(serve, kitchen):
    with serve("--grpc", "services:register", "--grpc", "services:register_on_loop") as server:
        assert kitchen(server).text == "hi"
        with grpc.insecure_channel(server.target) as channel:
            from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc

            with pytest.raises(grpc.RpcError) as caught:
                kitchen_pb2_grpc.LarderStub(channel).List(kitchen_pb2.EchoRequest(), timeout=10)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert caught.value.details() == "the larder is empty"


def test_sync_methods_run_on_another_thread(serve, kitchen):
    with serve("--grpc", "services:register") as server:
        assert kitchen(server, method="Echo").thread == "MainThread"
        assert kitchen(server, method="EchoSync").thread != "MainThread"


def test_streaming_methods_of_generated_code(serve, protos):
    from kitchen.v1 import kitchen_pb2, kitchen_pb2_grpc

    with serve("--grpc", "services:register") as server, grpc.insecure_channel(server.target) as channel:
        watched = kitchen_pb2_grpc.KitchenStub(channel).Watch(kitchen_pb2.EchoRequest(text="pot"), timeout=10)
        assert [reply.text for reply in watched] == ["pot"]


def test_service_without_descriptor_is_told_at_start_and_served(serve):
    with serve("--grpc", "services:register_without_descriptor") as server:
        server.wait_for("nowhere.v1.Service is served as gRPC alone")
        with grpc.insecure_channel(server.target) as channel:
            assert channel.unary_unary("/nowhere.v1.Service/Echo")(b"\x08\x01", timeout=10) == b"\x08\x01"


@pytest.mark.parametrize(("option", "listed"), [("--reflection", True), ("--no-reflection", False)])
def test_reflection(serve, option, listed):
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    with serve("--grpc", "services:register", option) as server, grpc.insecure_channel(server.target) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        if not listed:
            with pytest.raises(grpc.RpcError) as caught:
                database.get_services()
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
            return
        assert "kitchen.v1.Kitchen" in database.get_services()
        service = DescriptorPool(database).FindServiceByName("kitchen.v1.Kitchen")
        assert [method.name for method in service.methods] == ["Echo", "EchoSync", "Wait", "Watch"]


def test_health(serve):
    with serve("--grpc", "services:register") as server, grpc.insecure_channel(server.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "kitchen.v1.Kitchen"):
            reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_access_log_names_the_flow(serve, kitchen):
    with serve("plain:app", "--grpc", "services:register") as server:
        scope_of(server, "/page?a=1")
        kitchen(server)
        with server.client() as client:
            client.get("/kitchen/echo/hi")
        assert server.flows(3) == ["http", "grpc", "json"]
        line = server.access_log()[0]
        assert '"GET /page?a=1 HTTP/1.1" 200 http' in line
        assert line.startswith("INFO:     127.0.0.1:")


def test_no_access_log(serve):
    with serve("plain:app", "--no-access-log") as server:
        scope_of(server)
        assert server.stop() == 0
        assert server.access_log() == []
        assert "Narthex running" in server.stderr()


def test_log_level(serve):
    with serve("plain:app", "--log-level", "warning") as server:
        scope_of(server)
        assert server.stop() == 0
        assert server.stderr() == ""


def test_exceptions_of_the_application_are_logged_with_their_traceback(serve):
    with serve("plain:app") as server:
        with server.client() as client:
            assert client.get("/raise").status_code == 500
        server.wait_for("LookupError: the application's own fault")
        assert "plain.py" in server.stderr()


def test_forwarded_headers_of_loopback_are_believed(serve):
    headers = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    with serve("plain:app") as server:
        scope = scope_of(server, headers=headers)
        assert scope["client"][0] == "203.0.113.9"
        assert scope["scheme"] == "https"


def test_forwarded_headers_of_others_are_not(serve):
    headers = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    with serve("plain:app", "--forwarded-allow-ips", "10.0.0.0/8") as server:
        scope = scope_of(server, headers=headers)
        assert scope["client"][0] == "127.0.0.1"
        assert scope["scheme"] == "http"


def test_api_prefix(serve):
    with serve("plain:app", "--grpc", "services:register", "--api-prefix", "/kitchen") as server, server.client() as client:
        unknown = client.get("/kitchen/nowhere")
        assert unknown.status_code == 404
        assert unknown.json()["code"] == 5
        assert client.get("/elsewhere").json()["path"] == "/elsewhere"


def test_grpc_max_message(serve, kitchen):
    with serve("--grpc", "services:register", "--grpc-max-message", "1k") as server:
        assert kitchen(server, "x" * 500).text == "x" * 500
        with pytest.raises(grpc.RpcError) as caught:
            kitchen(server, "x" * 2000)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("limits", "status"), [(("--max-body", "1k"), 413), (("--grpc-max-message", "1k"), 429), (("--max-body", "1g"), 429)]
)
def test_json_body_is_within_both_limits(serve, limits, status):
    size = 5 << 20 if limits[1] == "1g" else 2000
    with serve("--grpc", "services:register", *limits) as server, server.client() as client:
        answer = client.post("/kitchen/echo", json={"text": "x" * size})
    assert (answer.status_code, answer.json()["code"]) == (status, 8)


def test_max_body(serve):
    with serve("--grpc", "services:register", "--max-body", "1k") as server, server.client() as client:
        assert client.post("/kitchen/echo", json={"text": "x" * 500}).status_code == 200
        assert client.post("/kitchen/echo", json={"text": "x" * 2000}).status_code == 413


def test_header_timeout(serve):
    with serve("plain:app", "--header-timeout", "1s") as server:
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            # The server answers 408 or just closes; it does not wait for the rest.
            while connection.recv(4096):
                pass
        assert scope_of(server)["path"] == "/"


def test_keep_alive_timeout(serve):
    with serve("plain:app", "--keep-alive-timeout", "1s") as server:
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while piece := connection.recv(4096):
                received += piece
        assert received.startswith(b"HTTP/1.1 200 ")
