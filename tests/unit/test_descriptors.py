"""Finding descriptors in Python's pool."""

import sys

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from narthex.grpc.descriptors import Collected, collect, merge


@pytest.fixture(autouse=True, scope="module")
def _kitchen(protos):
    from kitchen.v1 import kitchen_pb2  # noqa: F401


LARDER = "kitchen.v1.Larder"


def files(encoded):
    return list(descriptor_pb2.FileDescriptorSet.FromString(encoded).file)


def test_services_come_with_what_they_import_first():
    collected = collect(["kitchen.v1.Kitchen", "kitchen.v1.Larder"])
    assert collected.missing == ()
    found = files(collected.file_descriptor_set)
    names = [file.name for file in found]
    assert len(names) == len(set(names))
    for at, file in enumerate(found):
        assert set(file.dependency) <= set(names[:at])
    assert "kitchen/v1/kitchen.proto" in names
    assert "google/protobuf/descriptor.proto" in names


def test_the_set_fills_an_empty_pool_and_keeps_the_annotations():
    from google.api import annotations_pb2

    pool = descriptor_pool.DescriptorPool()
    found = files(collect(["kitchen.v1.Kitchen"]).file_descriptor_set)
    for file in found:
        pool.Add(file)
    assert pool.FindMethodByName("kitchen.v1.Kitchen.Echo").input_type.full_name == "kitchen.v1.EchoRequest"
    (service,) = (service for file in found for service in file.service if service.name == "Kitchen")
    assert service.method[0].options.Extensions[annotations_pb2.http].post == "/kitchen/echo"


def test_no_services_need_no_descriptors():
    assert collect([]) == Collected(b"", ())


def test_service_without_descriptor():
    collected = collect(["nowhere.v1.Service", "kitchen.v1.Kitchen"])
    assert collected.missing == ("nowhere.v1.Service",)
    assert "kitchen/v1/kitchen.proto" in {file.name for file in files(collected.file_descriptor_set)}


def test_without_protobuf_all_are_missing(monkeypatch):
    for name in list(sys.modules):
        if name == "google.protobuf" or name.startswith("google.protobuf."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    collected = collect(["kitchen.v1.Kitchen"])
    assert collected.file_descriptor_set == b""
    assert collected.missing == ("kitchen.v1.Kitchen",)


def test_loaded_files_that_no_service_imports_are_there_for_error_details():
    from kitchen.v1 import details_pb2  # noqa: F401

    assert "kitchen/v1/details.proto" in {file.name for file in files(collect([LARDER]).file_descriptor_set)}


def test_loaded_files_of_what_narthex_has_itself_are_not():
    from grpc_health.v1 import health_pb2  # noqa: F401

    def with_health(services):
        return any(file.package == "grpc.health.v1" for file in files(collect(services).file_descriptor_set))

    assert not with_health([LARDER])
    assert with_health(["grpc.health.v1.Health"])


def test_loaded_files_of_an_edition_wait_until_a_service_needs_them(monkeypatch):
    file = descriptor_pb2.FileDescriptorProto(name="edition.proto", syntax="editions", edition=descriptor_pb2.EDITION_2023)
    file.service.add(name="Modern")
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    module = type(sys)("edition_pb2")
    module.DESCRIPTOR = descriptor_pool.Default().FindFileByName("edition.proto")
    monkeypatch.setitem(sys.modules, "edition_pb2", module)
    assert "edition.proto" not in {file.name for file in files(collect([LARDER]).file_descriptor_set)}
    assert "edition.proto" in {file.name for file in files(collect(["Modern"]).file_descriptor_set)}


def descriptor_set(*given):
    made = descriptor_pb2.FileDescriptorSet()
    for name, package, message in given:
        made.file.add(name=name, package=package).message_type.add(name=message)
    return made.SerializeToString()


def test_merge_adds_what_is_not_defined_yet():
    ours = descriptor_set(("a.proto", "a", "M"), ("mine/health.proto", "grpc.health.v1", "Request"))
    builtin = descriptor_set(
        ("a.proto", "a", "M"), ("grpc/health/v1/health.proto", "grpc.health.v1", "Request"), ("b.proto", "b", "M")
    )
    assert [file.name for file in files(merge(ours, builtin))] == ["a.proto", "mine/health.proto", "b.proto"]


def test_merge_with_nothing():
    builtin = descriptor_set(("b.proto", "b", "M"))
    assert merge(b"", builtin) == builtin
