"""How the JSON API is described: the options, how they are spelled, and what their values mean.

``OpenApi`` is what the native half reads; it makes the document itself, and checks what ``base`` says.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narthex.exceptions import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApi:
    """What the description is told."""

    path: str | None = None
    """Where it is served; None: nowhere."""
    base: tuple[str, str] | None = None
    """A file with what descriptors cannot say, title, servers and security: its name and text."""
    own_paths: bool = False
    """Describe ``POST /pkg.Service/Method`` as well."""


def read(given: Mapping[str, Any], problems: list[Problem]) -> OpenApi:
    """The options as ``argparse`` gives them; what is wrong with them goes into ``problems``."""
    return OpenApi(
        path=_path(given.get("openapi"), problems),
        base=_base(given.get("openapi_base"), problems),
        own_paths=bool(given.get("openapi_own_paths")),
    )


def _path(text: str | None, problems: list[Problem]) -> str | None:
    if text is None or (text.startswith("/") and not any(character in text for character in "?#*{} ")):
        return text
    problems.append(Problem(f"--openapi {text}", "is not a path", "Give where to serve it, for example /openapi.json"))
    return None


def _base(name: str | None, problems: list[Problem]) -> tuple[str, str] | None:
    if name is None:
        return None
    try:
        return name, Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problems.append(Problem(f"--openapi-base {name}", f"cannot be read: {reason}", "Name a YAML or JSON file."))
    return None


def add_serving_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a command that serves the document."""
    parser.add_argument_group("OpenAPI").add_argument(
        "--openapi",
        metavar="PATH",
        help="serve the OpenAPI 3.1 document of the JSON API here, as in /openapi.json [default: nowhere]",
    )
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is in the document."""
    group = parser.add_argument_group("what the OpenAPI document says")
    group.add_argument(
        "--openapi-base",
        metavar="FILE",
        help="take info, servers, security and securitySchemes of the document from this OpenAPI file (YAML or JSON)",
    )
    group.add_argument(
        "--openapi-own-paths",
        action="store_true",
        help="describe POST /pkg.Service/Method of every method as well",
    )
