"""Sizes and durations as people write them: ``16MiB``, ``1g``, ``30``, ``500ms``."""

import re
from typing import Final

from narthex.exceptions import BadValueError

_NUMBER: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")

_SIZES: Final = {
    "": 1, "b": 1,
    "k": 1 << 10, "kib": 1 << 10, "kb": 10**3,
    "m": 1 << 20, "mib": 1 << 20, "mb": 10**6,
    "g": 1 << 30, "gib": 1 << 30, "gb": 10**9,
}  # fmt: skip
_DURATIONS: Final = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}

_SIZE_HINT: Final = "Give bytes or a unit: 1048576, 512k, 16MiB, 1g. (k, m and g count in 1024s, kB, MB and GB in 1000s.)"
_DURATION_HINT: Final = "Give seconds or a unit: 30, 2.5, 500ms, 2m, 1h."

MAX_SIZE: Final = (1 << 62) - 1
MAX_DURATION: Final = 365 * 24 * 3600.0


def parse_size(text: str) -> int:
    """A whole number of bytes, at least one."""
    matched = _NUMBER.fullmatch(text)
    unit = _SIZES.get(matched[2].lower()) if matched else None
    if matched is None or unit is None:
        raise BadValueError("is not a size", _SIZE_HINT)
    # Only a number with a fraction goes through a float: a long whole number keeps all its digits.
    size = int(float(matched[1]) * unit) if "." in matched[1] else int(matched[1]) * unit
    if size < 1:
        raise BadValueError("must be at least one byte", _SIZE_HINT)
    if size > MAX_SIZE:
        raise BadValueError("is larger than any memory", _SIZE_HINT)
    return size


def parse_duration(text: str, *, zero: bool = False) -> float:
    """Seconds; ``zero`` tells whether none at all is a choice."""
    matched = _NUMBER.fullmatch(text)
    unit = _DURATIONS.get(matched[2].lower()) if matched else None
    if matched is None or unit is None:
        raise BadValueError("is not a duration", _DURATION_HINT)
    seconds = float(matched[1]) * unit
    if seconds == 0 and not zero:
        raise BadValueError("must be longer than zero", _DURATION_HINT)
    if seconds > MAX_DURATION:
        raise BadValueError("is longer than a year", _DURATION_HINT)
    return seconds


def format_size(size: int) -> str:
    """The shortest exact way to write the size, for help texts: ``4MiB``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
