"""What can be wrong before anything is served, and how it is told.

A ``Problem`` is one thing to correct. ``StartupError`` holds all that were found, since whoever starts a server wants to
correct everything at once. Not here: errors of a request, which are native, and those of a servicer (``narthex.grpc.errors``).
"""

import asyncio
import importlib
import os
import traceback as tracebacks
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

# What runs between the command and the user's code. The last two are compiled, and their files have no folder.
_MACHINERY: Final = (
    *(str(Path(file).parent) + os.sep for file in (__file__, asyncio.__file__, importlib.__file__)),
    "<frozen importlib",
    "uvloop/",
)


class NarthexError(Exception):
    """Base of the errors that Narthex raises itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps the server from starting."""

    where: str
    """The option and its value, the address or the method in question."""
    what: str
    """What is wrong there."""
    hint: str = ""
    """What to do about it."""
    traceback: str = ""
    """Where the user's own code raised; empty for everything else."""


class BadValueError(NarthexError, ValueError):
    """A value that cannot be read; whoever knows which option it belongs to makes a ``Problem`` of it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class StartupError(NarthexError):
    """Everything that keeps the server from starting."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(report(self.problems))


def report(problems: Iterable[Problem]) -> str:
    """The numbered list that the command prints."""
    problems = tuple(problems)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"Narthex cannot start: {count}."]
    width = len(str(len(problems)))
    for number, problem in enumerate(problems, start=1):
        lines.append("")
        margin = " " * (width + 4)
        first, *rest = f"{problem.where}: {problem.what}".splitlines()
        lines.append(f"  {number:>{width}}. {first}")
        lines.extend(margin + line for line in rest)
        lines.extend(margin + ("-> " if at == 0 else "   ") + line for at, line in enumerate(problem.hint.splitlines()))
        lines.extend((margin + "   " + line).rstrip() for line in problem.traceback.splitlines())
    return "\n".join(lines) + "\n"


def user_frames(error: BaseException) -> TracebackType | None:
    """The part of the error's traceback that begins in the user's code; None if none of it is the user's."""
    frames = error.__traceback__
    while frames is not None and _is_machinery(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return frames


def user_traceback(error: BaseException) -> str:
    """The error as Python prints it, from the user's first line on: how Narthex came to call it helps nobody."""
    return "".join(tracebacks.format_exception(type(error), error, user_frames(error))).rstrip("\n")


def user_place(error: BaseException) -> str:
    """The user's line that led to the error, in words: the last one before the code that raised it, if that is Narthex's."""
    frames = tracebacks.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if not _is_machinery(frame.filename):
            return f"in {frame.name}, {frame.filename}, line {frame.lineno}"
    return ""


def _is_machinery(filename: str) -> bool:
    return filename.startswith(_MACHINERY)
