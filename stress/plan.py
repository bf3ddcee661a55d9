"""What a run was asked for, and what a scenario has to tell."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """What a run was asked for."""

    # How much of everything: 1 is a run of about five minutes.
    scale: float
    seed: int
    protos: Path
    # Where scenarios say what could not be run here, and why.
    not_run: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    counted: str
    kept: str = ""
