"""The runtime under stress: ``make stress``; README.md says what it proves."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent

# The servers and the connections of the tests are those of this program, too.
sys.path.insert(0, str(FOLDER.parent / "tests" / "harness"))
