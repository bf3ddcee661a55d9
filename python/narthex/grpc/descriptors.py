"""Finds the descriptors of the registered services, in the pool that generated code fills when it is imported.

The set that ``collect`` makes is all that JSON routes and reflection know of messages. No ``.proto`` file is read and no
protoc is run: who imported ``x_pb2_grpc`` has everything in memory. Not here: what the routes are, which is native.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from narthex.exceptions import Problem, StartupError

# Files of these packages are left out unless a registered service needs them: Narthex has its own, and a program that
# merely imported a client of theirs would bring the same names from a file of another name.
_BUILT_IN: Final = ("grpc.health.v1", "grpc.reflection.v1", "grpc.reflection.v1alpha", "narthex.asgi.v1")
_OLD_SYNTAXES: Final = ("", "proto2", "proto3")


@dataclass(frozen=True, slots=True)
class Collected:
    """The descriptors of some services."""

    file_descriptor_set: bytes
    """A serialized ``google.protobuf.FileDescriptorSet``, each file after those it imports."""
    missing: tuple[str, ...]
    """Services whose descriptor is not in the pool."""


def collect(services: Iterable[str]) -> Collected:
    """The files that define the services, with all they import, then every other file that generated code has loaded.

    The others are there for messages that nothing imports but that appear inside an ``Any``: the details of errors.
    """
    services = tuple(services)
    if not services:
        return Collected(b"", ())
    try:
        from google.protobuf import descriptor_pool
    except ImportError:
        return Collected(b"", services)
    pool: Any = descriptor_pool.Default()
    files: dict[str, bytes] = {}
    missing: list[str] = []
    for service in services:
        try:
            file: Any = pool.FindServiceByName(service).file
        except KeyError:
            missing.append(service)
        else:
            _add(file, files)
    for file in _loaded_files(pool):
        _add(file, files)
    return Collected(_encode(files.values()), tuple(missing))


def merge(collected: bytes, builtin: bytes) -> bytes:
    """The set with those files of ``builtin`` added that define nothing it has already."""
    if not collected:  # Protobuf need not be installed then. Readers take a file that is in a set twice.
        return builtin
    try:
        from google.protobuf import descriptor_pb2
    except ImportError as error:
        problem = Problem("protobuf", "is not installed, which puts descriptors together", "pip install 'narthex[grpc]'")
        raise StartupError([problem]) from error

    ours: Any = descriptor_pb2.FileDescriptorSet.FromString(collected)
    names = {file.name for file in ours.file}
    symbols = {symbol for file in ours.file for symbol in _symbols(file)}
    for file in descriptor_pb2.FileDescriptorSet.FromString(builtin).file:
        defined = set(_symbols(file))
        if file.name not in names and symbols.isdisjoint(defined):
            ours.file.append(file)
            names.add(file.name)
            symbols |= defined
    return ours.SerializeToString()


def _add(file: Any, files: dict[str, bytes]) -> None:
    """Adds the file after those that it imports. Imports are no cycle, so this ends."""
    if file.name not in files:
        for dependency in file.dependencies:
            _add(dependency, files)
        files[file.name] = file.serialized_pb


def _loaded_files(pool: Any) -> Iterator[Any]:
    from google.protobuf.descriptor import FileDescriptor

    found: dict[str, Any] = {}
    for module in list(sys.modules.values()):
        file: Any = vars(module).get("DESCRIPTOR") if hasattr(module, "__dict__") else None
        if isinstance(file, FileDescriptor) and file.pool is pool and _is_plain(file, {}):
            found[str(file.name)] = file
    return (found[name] for name in sorted(found))


def _is_plain(file: Any, seen: dict[str, bool]) -> bool:
    """Whether every reader of descriptors can read the file and its imports.

    Nobody asked for these files, so one of a newer edition must not be what keeps the server from starting.
    """
    if file.name not in seen:
        from google.protobuf import descriptor_pb2

        syntax: str = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb).syntax
        seen[file.name] = (
            file.package not in _BUILT_IN
            and syntax in _OLD_SYNTAXES
            and all(_is_plain(dependency, seen) for dependency in file.dependencies)
        )
    return seen[file.name]


def _symbols(file: Any) -> Iterator[str]:
    prefix = f"{file.package}." if file.package else ""
    for kind in (file.message_type, file.enum_type, file.service, file.extension):
        for symbol in kind:
            yield prefix + symbol.name


def _encode(files: Iterable[bytes]) -> bytes:
    """``repeated FileDescriptorProto file = 1``, written by hand so that no file is parsed and written again."""
    return b"".join(b"\x0a" + _varint(len(file)) + file for file in files)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
