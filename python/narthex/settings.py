"""Options from the environment and from a file, for what the command line does not say.

``--graceful-timeout 10`` is ``NARTHEX_GRACEFUL_TIMEOUT=10`` in the environment and ``graceful-timeout = 10`` in a TOML file
(``--config FILE`` or ``NARTHEX_CONFIG``). The command line wins over the environment, that over the file, each option for
itself. What the values mean is ``narthex.config``'s, as for those of a command line.
"""

import argparse
import difflib
import enum
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from narthex.exceptions import BadValueError, Problem

PREFIX: Final = "NARTHEX_"

_FLAGS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


class Kind(enum.Enum):
    """What an option's value is."""

    TEXT = enum.auto()
    TEXTS = enum.auto()
    """It may be repeated."""
    FLAG = enum.auto()


def kinds(actions: Iterable[argparse.Action]) -> dict[str, Kind]:
    """The options that can be set elsewhere than on a command line, by the names that ``argparse`` gives them."""
    return {
        action.dest: Kind.FLAG if action.nargs == 0 else Kind.TEXTS if type(action).__name__ == "_AppendAction" else Kind.TEXT
        for action in actions
        if action.dest not in ("help", "config")
    }


def fill(given: dict[str, object], known: Mapping[str, Kind], environment: Mapping[str, str]) -> list[Problem]:
    """Sets in ``given`` what is None there; returns what is wrong with the settings.

    ``known`` are the options of all that a file is for; those that ``given`` has no place for are another command's.
    """
    problems: list[Problem] = []
    settings = dict(_from_environment(known, environment, problems))
    path = given.pop("config", None) or environment.get(PREFIX + "CONFIG")
    if path:
        settings = {**_from_file(str(path), known, problems), **settings}
    for name, value in settings.items():
        if name in given and given[name] is None:
            given[name] = value
    return problems


def _from_environment(
    known: Mapping[str, Kind], environment: Mapping[str, str], problems: list[Problem]
) -> Iterable[tuple[str, object]]:
    """Other variables that begin alike are not ours: Kubernetes makes some for a service that is called narthex."""
    for name, kind in known.items():
        variable = PREFIX + name.upper()
        text = environment.get(variable)
        if text is None:
            continue
        if kind is Kind.TEXT:
            yield name, text
        elif kind is Kind.TEXTS:
            yield name, text.split()
        elif text.lower() in _FLAGS:
            yield name, _FLAGS[text.lower()]
        else:
            problems.append(Problem(f"{variable}={text}", "is neither true nor false", "Set it to 1 or 0, or leave it out."))


def _from_file(path: str, known: Mapping[str, Kind], problems: list[Problem]) -> dict[str, object]:
    # Not at the top: most commands have no file.
    import tomllib

    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problems.append(Problem(f"--config {path}", f"cannot be read: {reason}", "Name a TOML file."))
        return {}
    except tomllib.TOMLDecodeError as error:
        hint = 'A setting is a line such as: bind = ["127.0.0.1:8080"]'
        problems.append(Problem(f"--config {path}", f"is not TOML: {error}", hint))
        return {}
    settings: dict[str, object] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            problems.append(Problem(f"{path}: {key}", "is no option of narthex serve", _meant(key, known)))
            continue
        try:
            settings[name] = _value(known[name], value)
        except BadValueError as error:
            problems.append(Problem(f"{path}: {key}", error.what, error.hint))
    return settings


def _value(kind: Kind, value: Any) -> object:
    match kind:
        case Kind.FLAG:
            if isinstance(value, bool):
                return value
            raise BadValueError("is neither true nor false", "Write true or false, without quotes.")
        case Kind.TEXTS:
            return [_text(item) for item in cast("list[Any]", value)] if isinstance(value, list) else [_text(value)]
        case Kind.TEXT:
            return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise BadValueError("is neither text nor a number", "Write it in quotes.")


def _meant(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key.replace("_", "-"), [name.replace("_", "-") for name in known], n=1)
    return f"Did you mean {close[0]}?" if close else "The names are those of the options: narthex serve --help lists them."
