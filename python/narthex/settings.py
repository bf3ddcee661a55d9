"""Options from the environment and from a file, for what the command line does not say.

``--graceful-timeout 10`` is ``NARTHEX_GRACEFUL_TIMEOUT=10`` in the environment and ``graceful-timeout = 10`` in a TOML file
(``--config FILE`` or ``NARTHEX_CONFIG``). The command line wins over the environment, that over the file, each option for
itself. What the values mean is ``narthex.config``'s, as for those of a command line.
"""

import argparse
import dataclasses
import difflib
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from narthex.exceptions import BadValueError, Problem

PREFIX: Final = "NARTHEX_"

_REPEATABLE: Final = argparse._AppendAction  # pyright: ignore[reportPrivateUsage]  # There is no public way to ask.

_FLAGS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


_Setting: TypeAlias = tuple[object, str]
"""A value, and where it is from."""


class Kind(enum.Enum):
    """What an option's value is."""

    TEXT = enum.auto()
    TEXTS = enum.auto()
    """It may be repeated."""
    FLAG = enum.auto()


@dataclass(frozen=True, slots=True)
class Found:
    """What looking for settings has found beside their values."""

    problems: list[Problem] = field(default_factory=list[Problem])
    """What is wrong with the settings."""
    sources: dict[str, str] = field(default_factory=dict[str, str])
    """Where the value of an option is from, which no command line has given: ``{"--loop": "NARTHEX_LOOP"}``."""

    def traced(self, problem: Problem) -> Problem:
        """The same, told by the place where its value stands."""
        option, space, value = problem.where.partition(" ")
        source = self.sources.get(option)
        return problem if source is None else dataclasses.replace(problem, where=f"{source}{space}{value}")


def spelling(name: str) -> str:
    """An option as it is written on a command line: ``--max-body`` for ``max_body``."""
    return "--" + name.replace("_", "-")


def kinds(actions: Iterable[argparse.Action]) -> dict[str, Kind]:
    """The options that can be set elsewhere than on a command line, by the names that ``argparse`` gives them."""
    return {
        action.dest: Kind.FLAG if action.nargs == 0 else Kind.TEXTS if isinstance(action, _REPEATABLE) else Kind.TEXT
        for action in actions
        if action.dest not in ("help", "config")
    }


def fill(given: dict[str, object], known: Mapping[str, Kind], environment: Mapping[str, str]) -> Found:
    """Sets in ``given`` what is None there; returns what is wrong with the settings, and where they are from.

    ``known`` are the options of all that a file is for; those that ``given`` has no place for are another command's.
    """
    found = Found()
    settings = dict(_from_environment(known, environment, found.problems))
    path = given.pop("config", None) or environment.get(PREFIX + "CONFIG")
    if path:
        settings = {**_from_file(str(path), known, found.problems), **settings}
    for name, (value, source) in settings.items():
        if name in given and given[name] is None:
            given[name] = value
            found.sources["APP" if name == "app" else spelling(name)] = source
    return found


def _from_environment(
    known: Mapping[str, Kind], environment: Mapping[str, str], problems: list[Problem]
) -> Iterable[tuple[str, _Setting]]:
    """Other variables that begin alike are not ours: Kubernetes makes some for a service that is called narthex."""
    for name, kind in known.items():
        variable = PREFIX + name.upper()
        # An empty one is as good as none, as templates of deployments leave them.
        text = environment.get(variable, "").strip()
        if not text:
            continue
        if kind is Kind.TEXT:
            yield name, (text, variable)
        elif kind is Kind.TEXTS:
            yield name, (text.split(), variable)
        elif text.lower() in _FLAGS:
            yield name, (_FLAGS[text.lower()], variable)
        else:
            problems.append(Problem(f"{variable}={text}", "is neither true nor false", "Set it to 1 or 0, or leave it out."))


def _from_file(path: str, known: Mapping[str, Kind], problems: list[Problem]) -> dict[str, _Setting]:
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
    settings: dict[str, _Setting] = {}
    for key, value in table.items():
        name, source = key.replace("-", "_"), f"{path}: {key}"
        try:
            if name not in known:
                raise BadValueError("is no option of narthex serve", _meant(key, known))
            if name in settings:
                raise BadValueError("is given twice, spelled in two ways", "Leave one of them out.")
            settings[name] = _value(known[name], value), source
        except BadValueError as error:
            problems.append(Problem(source, error.what, error.hint))
    return settings


def _value(kind: Kind, value: Any) -> object:
    match kind:
        case Kind.FLAG:
            if isinstance(value, bool):
                return value
            raise BadValueError("is neither true nor false", "Write true or false, without quotes.")
        case Kind.TEXTS:
            return [_text(item) for item in cast("list[Any]", value)] if isinstance(value, list) else [_text(value)]
        case Kind.TEXT if isinstance(value, list):
            raise BadValueError("is a list", "Give one value: this option is not repeated.")
        case Kind.TEXT:
            return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise BadValueError("is neither text nor a number", "Write it in quotes.")


def _meant(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key.replace("_", "-"), [name.replace("_", "-") for name in known], n=1)
    return f"Did you mean {close[0]}?" if close else "The names are those of the options: narthex serve --help lists them."
