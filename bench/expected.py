"""What is expected of Narthex: the figures that a change must not make worse without saying so."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[dict[str, Any]]
OURS = "narthex"


@dataclass(frozen=True)
class Verdict:
    """An expectation beside what was measured; ``met`` is None where it could not be told."""

    expected: str
    measured: str
    met: bool | None


@dataclass(frozen=True)
class Ratio:
    """So many times the requests per second of the best of these rivals; the second number is for 3.11, without eager tasks."""

    times: float
    times_311: float
    rivals: tuple[str, ...] = ()
    ours: str = OURS

    def judge(self, rows: Rows) -> Verdict:
        """Compares with the best rival that was measured."""
        least = self.times if sys.version_info >= (3, 12) else self.times_311
        rates = {row["server"]: row["figures"]["rps"] for row in rows if row["figures"]}
        theirs = [row["server"] for row in rows if (row["server"] in self.rivals if self.rivals else not row["ours"])]
        against = {name: rates[name] for name in theirs if name in rates}
        named = " and ".join(self.rivals) if self.rivals else "the best rival"
        text = f"{least:g} times {named}"
        if self.ours not in rates or not against:
            return Verdict(text, "not measured", None)
        best = max(against, key=lambda name: against[name])
        ratio = rates[self.ours] / against[best]
        return Verdict(text, f"{ratio:.2f} times {best}", ratio >= least)


@dataclass(frozen=True)
class Part:
    """A figure of which less is better, that is at most this part of the best rival's."""

    figure: str
    of: float
    text: str

    def judge(self, rows: Rows) -> Verdict:
        """Compares with the best rival that was measured."""
        found = {row["server"]: row["figures"][self.figure] for row in rows if row["figures"]}
        theirs = [row["server"] for row in rows if not row["ours"] and row["server"] in found]
        if OURS not in found or not theirs:
            return Verdict(self.text, "not measured", None)
        best = min(theirs, key=lambda name: found[name])
        part = found[OURS] / found[best]
        return Verdict(self.text, f"{part:.3f} of {best}'s", part <= self.of)


@dataclass(frozen=True)
class Memory:
    """At most so many MiB more than a rival, at the peak."""

    more_mib: float
    rival: str

    def judge(self, rows: Rows) -> Verdict:
        """Compares the peaks."""
        peaks = {row["server"]: row["figures"]["peak_mib"] for row in rows if row["figures"]}
        text = f"at most {self.rival}'s memory plus {self.more_mib:g} MiB"
        if OURS not in peaks or self.rival not in peaks:
            return Verdict(text, "not measured", None)
        more = peaks[OURS] - peaks[self.rival]
        return Verdict(text, f"{more:+.1f} MiB", more <= self.more_mib)


@dataclass(frozen=True)
class Below:
    """A figure of Narthex's that stays below a limit, in every row that is Narthex's."""

    figure: str
    limit: float
    text: str

    def judge(self, rows: Rows) -> Verdict:
        """Looks at the worst."""
        found = [row["figures"][self.figure] for row in rows if row["ours"] and row["figures"]]
        if not found:
            return Verdict(self.text, "not measured", None)
        return Verdict(self.text, f"{max(found):.2f}", max(found) < self.limit)


Expectation = Ratio | Part | Memory | Below
