"""How the JSON API is described: the options, how they are spelled, and what their values mean.

``OpenApi`` is what the native half reads; it makes the document itself, and checks what ``base`` says.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narthex import openapi_page
from narthex.exceptions import Problem
from narthex.openapi_page import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApi:
    """What the description is told."""

    path: str | None = None
    """Where it is served; None: nowhere."""
    base: tuple[str, str] | None = None
    """A file with what descriptors cannot say, title, servers and security: its name and text."""
    own_paths: bool = False
    """Describe ``POST /pkg.Service/Method`` as well."""
    page: Page | None = None
    """What shows it in a browser."""


def read(given: Mapping[str, Any], problems: list[Problem]) -> OpenApi:
    """The options as ``argparse`` gives them; what is wrong with them goes into ``problems``."""
    path = _path("--openapi", given.get("openapi"), "/openapi.json", problems)
    return OpenApi(
        path=path,
        base=_base(given.get("openapi_base"), problems),
        own_paths=bool(given.get("openapi_own_paths")),
        page=_page(given, path, problems),
    )


def _path(option: str, text: str | None, example: str, problems: list[Problem]) -> str | None:
    if text is None or (text.startswith("/") and not any(character in text for character in "?#*{} ")):
        return text
    problems.append(Problem(f"{option} {text}", "is not a path", f"Give where to serve it, for example {example}"))
    return None


def _page(given: Mapping[str, Any], document: str | None, problems: list[Problem]) -> Page | None:
    path = _path("--openapi-page", given.get("openapi_page"), "/docs", problems)
    if path is None:
        return None
    where = f"--openapi-page {path}"
    if document is None:
        # One that is not a path was told of already.
        if given.get("openapi") is None:
            problems.append(Problem(where, "there is no document to show", "Add --openapi /openapi.json"))
        return None
    try:
        page = openapi_page.page(path, document)
    except FileNotFoundError:
        what = "this build of Narthex has no page: Swagger UI was not there when its wheel was made"
        problems.append(Problem(where, what, "Install a released wheel, or build one where registry.npmjs.org can be reached."))
        return None
    if any(document == file for file, *_ in page.files):
        problems.append(Problem(where, f"has a file where --openapi {document} is", "Give each a path of its own."))
        return None
    return page


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
    group = parser.add_argument_group("OpenAPI")
    group.add_argument(
        "--openapi",
        metavar="PATH",
        help="serve the OpenAPI 3.1 document of the JSON API here, as in /openapi.json [default: nowhere]",
    )
    group.add_argument(
        "--openapi-page",
        metavar="PATH",
        help="serve a page to read and try the JSON API here, as in /docs; it needs --openapi [default: nowhere]",
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
        action=argparse.BooleanOptionalAction,
        help="describe POST /pkg.Service/Method of every method as well",
    )
