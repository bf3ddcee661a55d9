"""Google's own APIs, hundreds, from their ``.proto`` files: they compile without protoc, load, and have a route table each.

Messages of a sample of them, every type that is in it if it is not too many, are held against protobuf's ``json_format``;
``SEED`` makes another sample.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from codec import Codec, agree
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from narthex import _native
from narthex.config import Config
from narthex.described import Described
from random_messages import Messages

HERE = Path(__file__).parent
FILES = HERE / "node_modules" / "google-proto-files"
SAMPLE = 30
"""So many APIs' messages are compared."""
TYPES = 1000
"""At most so many types of them."""

Fault = tuple[str, str, str]


def apis() -> dict[str, list[str]]:
    """The files of each API that has a service, by its folder."""
    found: dict[str, list[str]] = {}
    for path in sorted((*FILES.glob("google/**/*.proto"), *FILES.glob("grafeas/**/*.proto"))):
        found.setdefault(str(path.parent.relative_to(FILES)), []).append(str(path.relative_to(FILES)))
    return {api: names for api, names in found.items() if any("\nservice " in (FILES / name).read_text() for name in names)}


def known_failing() -> dict[str, int]:
    """How many faults the route table of an API has, where it may have any."""
    lines = (HERE / "known-failing.txt").read_text().splitlines()
    entries = (line.split() for line in lines if line and not line.startswith("#"))
    return {api: int(count) for api, count in entries}


def compiled(names: list[str]) -> tuple[list[str], bytes, list[Fault]]:
    described = Described(protos=tuple(names), proto_paths=(str(FILES),))
    return _native.elsewhere(Config(described=described), (), b"")


@pytest.fixture(scope="module")
def all_apis() -> dict[str, list[str]]:
    if not FILES.is_dir():
        pytest.skip("there is no npm to get Google's APIs with")
    return apis()


@pytest.mark.timeout(300)
def test_every_api_compiles_and_has_a_route_table(all_apis: dict[str, list[str]]) -> None:
    assert len(all_apis) > 400
    unreadable: dict[str, list[Fault]] = {}
    faulty: dict[str, list[Fault]] = {}
    bindings = 0
    for api, names in all_apis.items():
        services, descriptor_set, faults = compiled(names)
        if faults:
            unreadable[api] = faults
            continue
        rows, faults = _native.routes(Config(), services, descriptor_set)
        bindings += len(rows)
        if faults:
            faulty[api] = faults
    assert unreadable == {}
    assert {api: len(faults) for api, faults in faulty.items()} == known_failing(), faulty
    print(f"{len(all_apis)} APIs, {bindings} routes")


@pytest.fixture(scope="module")
def sample(all_apis: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A descriptor set of some APIs."""
    chosen = random.Random(_seed()).sample(sorted(all_apis), SAMPLE)
    _, descriptor_set, faults = compiled([name for api in chosen for name in all_apis[api]])
    assert faults == []
    path = tmp_path_factory.mktemp("sample") / "apis.binpb"
    path.write_bytes(descriptor_set)
    return path


@pytest.mark.timeout(300)
def test_messages_agree_with_json_format(sample: Path) -> None:
    pool = DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(sample.read_bytes()).file
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    types = [name for file in files for name in _types(file.package, file.message_type)]
    types = random.Random(_seed()).sample(types, min(TYPES, len(types)))
    codec = Codec(sample)
    for kind in types:
        message = Messages(pool, _seed()).message(kind)
        try:
            agree(kind, message, codec, pool)
        except Exception as error:
            raise AssertionError(f"SEED={_seed()}, a {kind}: {message}") from error
    codec.close()


def _seed() -> int:
    return int(os.environ.get("SEED", "0"))


def _types(scope: str, messages: "list[descriptor_pb2.DescriptorProto]") -> Iterator[str]:
    for message in messages:
        if not message.options.map_entry:
            name = f"{scope}.{message.name}"
            yield name
            yield from _types(name, message.nested_type)
