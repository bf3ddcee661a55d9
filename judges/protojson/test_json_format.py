"""protobuf's own ``json_format`` against the codec, on random messages: each reads what the other writes, and writes the same.

A few seconds' worth by default; ``MINUTES=30`` goes on that long. A failure names the seed of its message, which
``SEED`` makes again.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import grpc_tools
import pytest
from codec import Codec, agree
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc
from random_messages import Messages

SCHEMAS = Path(__file__).parent.parent.parent / "crates" / "narthex-protojson" / "tests" / "it"
SECONDS = 8.0
AT_LEAST = 200
"""So many messages of each type are compared, however slow the machine is."""


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("descriptors") / "kinds.binpb"
    google = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [f"-I{SCHEMAS}", f"-I{google}", "--include_imports", f"--descriptor_set_out={path}"]
    assert protoc.main(["protoc", *arguments, "kinds.proto", "legacy.proto"]) == 0
    return path


@pytest.fixture(scope="module")
def pool(descriptors: Path) -> DescriptorPool:
    pool = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@pytest.fixture
def codec(descriptors: Path) -> Iterator[Codec]:
    codec = Codec(descriptors)
    yield codec
    codec.close()


def seeds() -> Iterator[int]:
    """Seeds of messages, for as long as is asked for."""
    if "SEED" in os.environ:
        yield int(os.environ["SEED"])
        return
    minutes = os.environ.get("MINUTES")
    # The same messages each time, unless there is time for others.
    first = random.randrange(2**32) if minutes else 0
    end = time.monotonic() + (float(minutes) * 60 if minutes else SECONDS)
    count = 0
    while count < AT_LEAST or time.monotonic() < end:
        yield first + count
        count += 1


@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", ["kinds.v1.Kinds", "legacy.v1.Old"])
def test_the_codec_agrees_with_json_format(kind: str, codec: Codec, pool: DescriptorPool) -> None:
    for seed in seeds():
        message = Messages(pool, seed).message(kind)
        try:
            agree(kind, message, codec, pool)
        except Exception as error:
            raise AssertionError(f"SEED={seed}, a {kind}: {message}") from error
