"""Prints the tests that a run left out, with the reasons, from what it wrote: pytest's JUnit files and cargo's log."""

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def skipped_by_pytest(path: Path) -> list[tuple[str, str]]:
    """Test and reason; a test that is expected to fail did run."""
    found: list[tuple[str, str]] = []
    for case in ElementTree.parse(path).iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("type") != "pytest.xfail":
            found.append((f"{case.get('classname')}::{case.get('name')}", skipped.get("message") or "no reason given"))
    return found


def ignored_by_cargo(path: Path) -> list[tuple[str, str]]:
    """Test and reason."""
    lines = re.findall(r"^test (.+?) \.\.\. ignored(?:, (.+))?$", path.read_text(errors="replace"), re.MULTILINE)
    return [(f"cargo: {name}", reason or "no reason given") for name, reason in lines]


def main(folder: Path) -> None:
    """Prints the list."""
    found = [entry for path in sorted(folder.glob("*.xml")) for entry in skipped_by_pytest(path)]
    found += [entry for path in sorted(folder.glob("*.log")) for entry in ignored_by_cargo(path)]
    if not found:
        print("Tests not run: none")
        return
    print(f"Tests not run: {len(found)}")
    for reason, count in Counter(reason for _, reason in found).items():
        print(f"  {reason} ({count})")
        for test in (test for test, its_reason in found if its_reason == reason):
            print(f"    {test}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
