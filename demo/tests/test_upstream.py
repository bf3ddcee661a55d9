"""Envoy reaches Narthex on a UNIX socket everywhere else; here by TCP, which ``--http-over-grpc-from`` allows on loopback."""

from pathlib import Path

import demo_site
from shop.v1 import demo_pb2, demo_pb2_grpc


def test_envoy_over_tcp(tmp_path: Path, asked: set[str]) -> None:
    demo_site.prepare(tmp_path)
    site = demo_site.start("envoy", tmp_path, asked, "--upstream", "tcp")
    try:
        assert site.client().get("/inspect?a=1").json()["query_string"] == "a=1"
        assert site.client("json").post("/api/add", json={"a": 1}).json() == {"o": 1}
        with site.watch("grpc"), site.channel() as channel:
            assert demo_pb2_grpc.DemoServiceStub(channel).Add(demo_pb2.AddRequest(b=2)).o == 2
    finally:
        assert site.stop() == 0
