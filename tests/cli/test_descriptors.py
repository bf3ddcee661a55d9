"""``narthex descriptors``: what Envoy's transcoder needs."""

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool


@pytest.fixture
def descriptors(narthex, apps):
    def run(*arguments, text=False):
        return narthex("descriptors", "--app-dir", str(apps), *arguments, text=text)

    return run


def pool_of(encoded):
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(encoded).file:
        pool.Add(file)
    return pool


BUILT_IN = ("narthex.asgi.v1.AsgiService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection")


def test_set_is_complete(descriptors):
    ended = descriptors("--grpc", "services:register", "--grpc", "services:register_on_loop")
    assert ended.returncode == 0, ended.stderr
    pool = pool_of(ended.stdout)
    for service in ("kitchen.v1.Kitchen", "kitchen.v1.Larder", *BUILT_IN):
        assert pool.FindServiceByName(service).methods


def test_asgi_service_has_its_binding(descriptors):
    from google.api import annotations_pb2

    ended = descriptors()
    files = descriptor_pb2.FileDescriptorSet.FromString(ended.stdout).file
    (service,) = (service for file in files for service in file.service if service.name == "AsgiService")
    rule = service.method[0].options.Extensions[annotations_pb2.http]
    assert (rule.custom.kind, rule.custom.path) == ("*", "/**")


PROTOS = Path(__file__).parent.parent / "proto"


def test_services_of_proto_files_are_in_it_with_their_annotations(descriptors):
    from google.api import annotations_pb2

    ended = descriptors("--proto", "kitchen/v1/kitchen.proto", "-I", str(PROTOS))
    assert ended.returncode == 0, ended.stderr
    pool = pool_of(ended.stdout)
    for service in ("kitchen.v1.Kitchen", *BUILT_IN):
        assert pool.FindServiceByName(service).methods
    files = descriptor_pb2.FileDescriptorSet.FromString(ended.stdout).file
    assert len({file.name for file in files}) == len(files)
    (service,) = (service for file in files for service in file.service if service.name == "Kitchen")
    assert service.method[0].options.Extensions[annotations_pb2.http].post == "/kitchen/echo"


def test_a_file_may_describe_what_is_registered(descriptors, tmp_path):
    (tmp_path / "nowhere.proto").write_text(
        'syntax = "proto3"; package nowhere.v1; message M {} service Service { rpc Call(M) returns (M); }'
    )
    ended = descriptors("--grpc", "services:register_without_descriptor", "--proto", "nowhere.proto", "-I", str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert pool_of(ended.stdout).FindServiceByName("nowhere.v1.Service")


def test_a_proto_file_with_a_fault(descriptors, tmp_path):
    (tmp_path / "faulty.proto").write_text('syntax = "proto3";\nmessage M { Missing m = 1; }\n')
    ended = descriptors("--proto", "faulty.proto", "-I", str(tmp_path), text=True)
    assert ended.returncode == 2
    assert "faulty.proto:2:13: name 'Missing' is not defined" in ended.stderr


def test_output_file(descriptors, tmp_path):
    output = tmp_path / "set.binpb"
    ended = descriptors("--grpc", "services:register", "-o", str(output))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == b""
    assert pool_of(output.read_bytes()).FindServiceByName("kitchen.v1.Kitchen")


def test_application_is_imported_first(descriptors):
    assert descriptors("plain:app", "--grpc", "services:register").returncode == 0
    ended = descriptors("plain:aap", "--grpc", "services:failing", text=True)
    assert ended.returncode == 2
    assert "2 problems" in ended.stderr


def test_service_without_descriptor_is_told_and_left_out(descriptors):
    ended = descriptors("--grpc", "services:register_without_descriptor", "--grpc", "services:register")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.startswith(b"WARNING:  nowhere.v1.Service is not in the set: ")
    assert pool_of(ended.stdout).FindServiceByName("kitchen.v1.Kitchen")


def test_output_that_cannot_be_written(descriptors, tmp_path):
    ended = descriptors("-o", str(tmp_path / "nosuch" / "x"), text=True)
    assert ended.returncode == 2
    assert "cannot be written" in ended.stderr
