"""``narthex routes``: the route table, as ``serve`` would have it."""

from pathlib import Path

import pytest


@pytest.fixture
def routes(narthex, apps):
    def run(*arguments):
        return narthex("routes", "--app-dir", str(apps), "--grpc", "services:register", *arguments)

    return run


def test_annotations_and_own_paths(routes):
    ended = routes()
    assert ended.returncode == 0, ended.stderr
    rows = [line.split(maxsplit=2) for line in ended.stdout.splitlines()]
    assert rows[:2] == [
        ["POST", "/kitchen/echo", "kitchen.v1.Kitchen.Echo"],
        ["GET", "/kitchen/echo/{text}", "kitchen.v1.Kitchen.Echo, binding 2"],
    ]
    assert ["POST", "/kitchen.v1.Kitchen/Watch", "kitchen.v1.Kitchen.Watch, its own path"] in rows
    assert "its own path" not in routes("--no-auto-mapping").stdout


def test_a_service_config_stands_in_for_annotations(routes, tmp_path):
    config = tmp_path / "service.yaml"
    config.write_text("http:\n  rules:\n  - selector: kitchen.v1.Kitchen.Echo\n    get: /v2/echo/{text}\n")
    ended = routes("--service-config", str(config), "--no-auto-mapping")
    assert ended.stdout.split() == ["GET", "/v2/echo/{text}", "kitchen.v1.Kitchen.Echo"]


def test_all_problems_of_service_configs_are_told(routes, tmp_path):
    config = tmp_path / "service.yaml"
    config.write_text("http: {rules: [{selector: kitchen.v1.Kitchen.Eco, get: /v2/echo}]}")
    ended = routes("--service-config", str(config))
    assert ended.returncode == 2
    assert "kitchen.v1.Kitchen.Eco" in ended.stderr
    assert "selects no method" in ended.stderr
    ended = routes("--service-config", str(tmp_path / "none.yaml"), "--json-stream", "xml")
    assert ended.returncode == 2
    assert "none.yaml" in ended.stderr
    assert "--json-stream xml" in ended.stderr


def test_services_of_proto_files_have_theirs(narthex):
    protos = Path(__file__).parent.parent / "proto"
    ended = narthex("routes", "--proto", "kitchen/v1/kitchen.proto", "-I", str(protos))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0].split() == ["POST", "/kitchen/echo", "kitchen.v1.Kitchen.Echo"]


IMPORTER = """
syntax = "proto3";
package shop.v1;
import "kitchen/v1/kitchen.proto";
service Shop { rpc Order(kitchen.v1.EchoRequest) returns (kitchen.v1.EchoRequest); }
"""


def test_services_of_imported_files_are_not_asked_for(narthex, tmp_path):
    protos = Path(__file__).parent.parent / "proto"
    imported = (protos / "kitchen/v1/kitchen.proto").read_text()
    assert "service Kitchen" in imported
    (tmp_path / "shop.proto").write_text(IMPORTER)
    ended = narthex("routes", "--proto", "shop.proto", "-I", str(tmp_path), "-I", str(protos))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["POST", "/shop.v1.Shop/Order", "shop.v1.Shop.Order,", "its", "own", "path"]


def test_what_narthex_answers_itself_is_not_described(narthex, tmp_path):
    described = tmp_path / "all.binpb"
    protos = Path(__file__).parent.parent / "proto"
    kitchen = ("--proto", "kitchen/v1/kitchen.proto", "-I", str(protos))
    assert narthex("descriptors", *kitchen, "-o", str(described)).returncode == 0
    ended = narthex("routes", "--descriptor-set", str(described))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == narthex("routes", *kitchen).stdout
