"""Files that describe services, here or elsewhere: the options, how they are spelled, and what they name.

``Described`` is what the native half reads, which also compiles the ``.proto`` files. ``narthex.cli`` adds the options to a
command, ``narthex.config`` reads what was given.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narthex.exceptions import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What files say of services that need not be here."""

    descriptor_sets: tuple[tuple[str, bytes], ...] = ()
    """Files of protoc's: name and content."""
    protos: tuple[str, ...] = ()
    """Sources, by their path or as an ``import`` names them."""
    proto_paths: tuple[str, ...] = (".",)
    """The folders that they and their imports are in."""

    @property
    def is_something(self) -> bool:
        """Whether there are any files."""
        return bool(self.descriptor_sets or self.protos)


def read(given: Mapping[str, Any], problems: list[Problem]) -> Described:
    """The options as ``argparse`` gives them; what is wrong with them goes into ``problems``."""
    default = Described()
    protos = tuple(given.get("proto") or ())
    folders: Sequence[str] | None = given.get("proto_path")
    if folders is not None and not protos:
        problems.append(Problem("--proto-path", "has no effect alone", "Add --proto FILE."))
    for folder in folders or ():
        if not Path(folder).is_dir():
            hint = f"It is looked for from the working folder, {Path.cwd()}"
            problems.append(Problem(f"--proto-path {folder}", "is not a folder", hint))
    return Described(
        descriptor_sets=_contents(given.get("descriptor_set") or (), problems),
        protos=protos,
        proto_paths=default.proto_paths if folders is None else tuple(folders),
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a command."""
    group = parser.add_argument_group("files that describe services")
    group.add_argument(
        "--descriptor-set",
        action="append",
        metavar="FILE",
        help="a FileDescriptorSet of protoc's or buf's, with imports; upstreams need no reflection for services that it "
        "describes, and the OpenAPI document has its comments, also of services that are registered here; may be repeated",
    )
    group.add_argument(
        "--proto",
        action="append",
        metavar="FILE",
        help="the same from a .proto file, without protoc; what google.api, google.rpc and protobuf have for APIs is found "
        "without -I; may be repeated",
    )
    group.add_argument(
        "-I",
        "--proto-path",
        action="append",
        metavar="DIR",
        help="where --proto and its imports are; may be repeated, the first that has a file wins [default: .]",
    )


def _contents(names: Sequence[str], problems: list[Problem]) -> tuple[tuple[str, bytes], ...]:
    contents: list[tuple[str, bytes]] = []
    for name in names:
        try:
            contents.append((name, Path(name).read_bytes()))
        except OSError as error:
            problems.append(
                Problem(f"--descriptor-set {name}", f"cannot be read: {error.strerror}", "Name a file of protoc's.")
            )
    return tuple(contents)
