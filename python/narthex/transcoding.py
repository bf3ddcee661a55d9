"""How JSON and HTTP become gRPC and back: the options, how they are spelled, and what their values mean.

``Transcoding`` is what the native half reads; where an option is None, the rules that ``compat`` names decide.
``narthex.cli`` adds the options to a command, ``narthex.config`` reads what was given.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from narthex.exceptions import Problem

COMPATIBLE_WITH: Final = ("specification", "envoy")
STREAM_FORMATS: Final = ("array", "ndjson", "json-seq", "sse")
UNKNOWN_QUERY: Final = ("reject", "ignore", "capture")
UNESCAPE: Final = ("except-slash", "except-reserved", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcoding:
    """What the transcoder is told."""

    compat: str = "specification"
    """Whose rules hold where they differ: those of google/api/http.proto, or Envoy's."""
    auto_mapping: bool = True
    """Bind ``POST /pkg.Service/Method`` of every method."""
    service_configs: tuple[tuple[str, str], ...] = ()
    """Files with rules that stand in for annotations: name and text."""
    stream: str = "array"
    """How streams are written where ``Accept`` does not say."""
    unknown_query: str = "reject"
    ignored_query: tuple[str, ...] = ()
    plus_is_space: bool = False
    unescape: str | None = None
    """Which escapes stay in path variables of several segments."""
    unregistered_verbs: bool = False
    ignore_unknown: bool | None = None
    """Leave out members of JSON bodies that name no field."""
    refuse_collisions: bool = False
    fill_update_mask: bool = False
    compress: bool = True
    proto_names: bool = False
    enums_as_ints: bool = False
    always_print: bool = False
    whitespace: bool = False
    any_case_enums: bool = False


def read(given: Mapping[str, Any], problems: list[Problem]) -> Transcoding:
    """The options as ``argparse`` gives them; what is wrong with them goes into ``problems``."""

    def choice(name: str, choices: tuple[str, ...], default: str | None) -> str | None:
        text: str | None = given.get(name)
        if text is None or text in choices:
            return text or default
        hint = "Choose " + ", ".join(choices[:-1]) + f" or {choices[-1]}."
        problems.append(Problem(f"--{name.replace('_', '-')} {text}", "is none of the choices", hint))
        return default

    def flag(name: str, default: bool) -> bool:
        value = given.get(name)
        return default if value is None else bool(value)

    default = Transcoding()
    return Transcoding(
        compat=choice("transcode_compat", COMPATIBLE_WITH, None) or default.compat,
        auto_mapping=flag("auto_mapping", default.auto_mapping),
        service_configs=_texts(given.get("service_config") or (), problems),
        stream=choice("json_stream", STREAM_FORMATS, None) or default.stream,
        unknown_query=choice("unknown_query", UNKNOWN_QUERY, None) or default.unknown_query,
        ignored_query=tuple(name for names in given.get("ignored_query") or () for name in names.split(",") if name),
        plus_is_space=flag("query_plus_is_space", default.plus_is_space),
        unescape=choice("unescape", UNESCAPE, None),
        unregistered_verbs=flag("unregistered_verbs", default.unregistered_verbs),
        ignore_unknown=given.get("json_ignore_unknown"),
        refuse_collisions=flag("refuse_collisions", default.refuse_collisions),
        fill_update_mask=flag("fill_update_mask", default.fill_update_mask),
        compress=flag("json_compression", default.compress),
        proto_names=flag("json_proto_names", default.proto_names),
        enums_as_ints=flag("json_enums_as_ints", default.enums_as_ints),
        always_print=flag("json_always_print", default.always_print),
        whitespace=flag("json_whitespace", default.whitespace),
        any_case_enums=flag("json_any_case_enums", default.any_case_enums),
    )


def _texts(names: tuple[str, ...], problems: list[Problem]) -> tuple[tuple[str, str], ...]:
    texts: list[tuple[str, str]] = []
    for name in names:
        try:
            texts.append((name, Path(name).read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            problems.append(Problem(f"--service-config {name}", f"cannot be read: {reason}", "Name a YAML or JSON file."))
    return tuple(texts)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a command."""
    group = parser.add_argument_group("JSON")
    group.add_argument(
        "--transcode-compat",
        metavar=_braces(COMPATIBLE_WITH),
        help="whose rules hold where they differ: google.api.http's, or those of Envoy's transcoder [default: specification]",
    )
    group.add_argument(
        "--auto-mapping",
        action=argparse.BooleanOptionalAction,
        help="serve POST /pkg.Service/Method of every method with JSON [default: on]",
    )
    group.add_argument(
        "--service-config",
        action="append",
        metavar="FILE",
        help="take HTTP rules from this service config (YAML, http: rules:) in place of annotations; may be repeated",
    )
    group.add_argument(
        "--json-stream",
        metavar=_braces(STREAM_FORMATS),
        help="how streams are written where Accept does not say [default: array]",
    )
    group.add_argument(
        "--unknown-query",
        metavar=_braces(UNKNOWN_QUERY),
        help="what to do with query parameters that name no field; captured they are in the extensions of the request's "
        "google.api.HttpBody, as Envoy's UnknownQueryParams [default: reject]",
    )
    group.add_argument(
        "--ignored-query", action="append", metavar="NAMES", help="query parameters that are never looked at, as in key,alt"
    )
    group.add_argument(
        "--unescape",
        metavar=_braces(UNESCAPE),
        help="which escapes stay in path variables of several segments [default: except-slash, with envoy except-reserved]",
    )
    for name, text in (
        ("--query-plus-is-space", "read + in a query as a space"),
        ("--unregistered-verbs", "take any :word at the end of a path for a verb"),
        ("--refuse-collisions", "refuse one field with two values, in the body and in the path or query"),
        ("--fill-update-mask", "fill the FieldMask of a PATCH that does not give it with the fields of its body"),
        ("--json-proto-names", "name fields in answers as the proto file does"),
        ("--json-enums-as-ints", "write enum values in answers as numbers"),
        ("--json-always-print", "write fields without presence in answers also where they have their default"),
        ("--json-whitespace", "write answers on several lines, indented"),
        ("--json-any-case-enums", "find DARK_RED for dark_red and dark-red in bodies, paths and queries"),
    ):
        group.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
    group.add_argument(
        "--json-ignore-unknown",
        action=argparse.BooleanOptionalAction,
        help="leave out members of JSON bodies that name no field [default: they are refused; with envoy they are left out]",
    )
    group.add_argument(
        "--json-compression",
        action=argparse.BooleanOptionalAction,
        help="compress answers of a kilobyte and more as Accept-Encoding asks [default: on]",
    )


def _braces(choices: tuple[str, ...]) -> str:
    return "{" + ",".join(choices) + "}"
