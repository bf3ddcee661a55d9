"""Runs the tests on every CPython that Narthex supports and this machine has: the wheel's and those of the crates that link it.

Each interpreter has its own environment under ``build/pythons``. Cargo's target folder is the workspace's: for another
interpreter it builds again what links one, a few crates, and has the rest. The wheel is made in the dev profile, which is
quicker to build. At the end it prints which interpreters ran, with counts, and which were left out and why.

    python scripts/pythons.py [--skip PYTHON] [--newest] [-- PYTEST-ARGUMENT ...]
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "pythons"
OLDEST = (3, 11)
# Those that link an interpreter; the others do not know which one there is.
CRATES = ("narthex-pyrt", "narthex-asgi", "narthex-servicer", "narthex-native")
REQUIREMENTS = ("requirements/build.txt", "requirements/test.txt", "demo/requirements.txt")

ABOUT = """
import json, platform, sys, sysconfig
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": sys.version_info[:3],
    "text": platform.python_version(),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "libraries": sysconfig.get_config_var("LIBDIR"),
    "complete": __import__("importlib.util").util.find_spec("ensurepip") is not None
        and __import__("os").path.exists(sysconfig.get_path("include") + "/Python.h"),
}))
"""


@dataclass
class Interpreter:
    """One that was found, and how its tests went."""

    path: Path
    about: dict[str, object]
    counts: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def minor(self) -> tuple[int, ...]:
        """``(3, 13)``."""
        return tuple(self.about["version"][:2])  # type: ignore[index]

    @property
    def name(self) -> str:
        """``cpython-3.13``."""
        return f"{self.about['implementation']}-{'.'.join(map(str, self.minor))}"

    @property
    def title(self) -> str:
        """The name, the whole version and where it is."""
        return f"{self.about['implementation']} {self.about['text']} ({self.path})"


def candidates() -> Iterator[Path]:
    """What may be an interpreter, the preferred ones first: on the path, then those of pyenv, newest first."""
    for minor in range(OLDEST[1], 30):
        for name in (f"python3.{minor}", f"python3.{minor}t"):
            if found := shutil.which(name):
                yield Path(found)
    roots = [os.environ.get("PYENV_ROOT", ""), str(Path.home() / ".pyenv")]
    for root in filter(None, dict.fromkeys(roots)):
        versions = Path(root).glob("versions/*/bin/python")
        yield from sorted(versions, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))], reverse=True)


def ask(path: Path) -> Interpreter | None:
    """Asks a program what interpreter it is; None if it is none (pyenv's shims of versions that are not chosen)."""
    try:
        asked = subprocess.run([path, "-c", ABOUT], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return Interpreter(path, json.loads(asked.stdout))


def find(skip: Path | None, newest: bool) -> tuple[list[Interpreter], list[str]]:
    """One interpreter of each minor version; and those left out, with reasons."""
    skipped = ask(skip) if skip else None
    chosen: dict[tuple[int, ...], Interpreter] = {}
    left_out: dict[str, None] = {}
    for interpreter in filter(None, map(ask, dict.fromkeys(candidates()))):
        if interpreter.about["implementation"] != "cpython" or interpreter.minor < OLDEST:
            continue
        if interpreter.about["free_threaded"]:
            left_out[f"{interpreter.title}: the free-threaded build is not supported"] = None
        elif skipped and skipped.minor == interpreter.minor:
            left_out[f"{skipped.about['implementation']} {skipped.about['text']}: the default, which `make test` uses"] = None
        elif not interpreter.about["complete"]:
            left_out[f"{interpreter.title}: without ensurepip or headers"] = None
        else:
            chosen.setdefault(interpreter.minor, interpreter)
    if newest:
        for minor in sorted(chosen)[:-1]:
            left_out[f"{chosen.pop(minor).title}: only the newest was asked for"] = None
    return [chosen[minor] for minor in sorted(chosen)], list(left_out)


def run(interpreter: Interpreter, pytest_arguments: list[str]) -> None:
    """Builds and tests; what fails is noted, and does not keep the rest from being run."""
    started = time.monotonic()
    folder = BUILD / interpreter.name
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    environment = {**os.environ, "PYO3_PYTHON": str(python)}

    def call(what: str, *command: str | Path, log: Path | None = None, **more: str) -> bool:
        print(f"== {interpreter.name}: {what}", flush=True)
        text = ""
        process = subprocess.Popen(
            command, cwd=ROOT, env={**environment, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with process:
            for line in process.stdout or ():
                text += line
                sys.stdout.write(line)
        if log is not None:
            log.write_text(text)
        if process.returncode != 0:
            interpreter.failed.append(what)
        return process.returncode == 0

    try:
        pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
        shutil.rmtree(folder / "dist", ignore_errors=True)
        build = ("maturin", "build", "--profile", "dev", "--locked", "--interpreter", python, "--out", folder / "dist")
        if not (
            call("the environment", interpreter.path, "-m", "venv", folder)
            and call("what the tests need", *pip, *(part for file in REQUIREMENTS for part in ("-r", file)))
            and call("the wheel", python.parent / build[0], *build[1:])
        ):
            return
        wheel = next((folder / "dist").glob("narthex-*.whl"))
        # Its extras, and then itself again: pip takes a wheel of the same version for the one it has.
        if not (
            call("its dependencies", *pip, f"{wheel}[grpc]")
            and call("its installation", *pip, "--force-reinstall", "--no-deps", wheel)
        ):
            return
        results = folder / "tests.xml"
        call("the Python tests", python, "-m", "pytest", "-q", "tests", f"--junitxml={results}", *pytest_arguments)
        interpreter.counts.append(counted_by_pytest(results))
        libraries = {"LD_LIBRARY_PATH": str(interpreter.about["libraries"]), "PYTHONPATH": site_packages(python)}
        packages = [part for crate in CRATES for part in ("-p", crate)]
        log = folder / "cargo.log"
        call("the crates' tests", "cargo", "test", "--locked", "--quiet", "--no-fail-fast", *packages, log=log, **libraries)
        interpreter.counts.append(counted_by_cargo(log))
    finally:
        interpreter.seconds = time.monotonic() - started


def site_packages(python: Path) -> str:
    """Where an embedded interpreter finds the packages of the environment."""
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def counted_by_pytest(results: Path) -> str:
    """How many tests passed, failed and were skipped."""
    if not results.exists():
        return "Python tests: none"
    suite = ElementTree.parse(results).getroot().find("testsuite")
    assert suite is not None
    count = {name: int(suite.get(name) or 0) for name in ("tests", "failures", "errors", "skipped")}
    bad = count["failures"] + count["errors"]
    return f"Python tests: {count['tests'] - bad - count['skipped']} passed, {bad} failed, {count['skipped']} skipped"


def counted_by_cargo(log: Path) -> str:
    """The same for all test binaries together."""
    found = re.findall(r"^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored", log.read_text(), re.MULTILINE)
    passed, failed, ignored = (sum(int(counts[index]) for counts in found) for index in range(3))
    return f"crate tests: {passed} passed, {failed} failed, {ignored} ignored"


def main() -> int:
    """Runs them all; 0 if all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skip", type=Path, metavar="PYTHON", help="leave this one's minor version out")
    parser.add_argument("--newest", action="store_true", help="only the newest of the others")
    parser.add_argument("pytest", nargs="*", metavar="PYTEST-ARGUMENT")
    given = parser.parse_args()
    interpreters, left_out = find(given.skip, given.newest)
    for interpreter in interpreters:
        run(interpreter, given.pytest)
    print("\nInterpreters tested:" + ("" if interpreters else " none"))
    for interpreter in interpreters:
        print(f"  {interpreter.title}, {interpreter.seconds:.0f} s")
        for line in (*interpreter.counts, *(f"FAILED: {what}" for what in interpreter.failed)):
            print(f"    {line}")
    if left_out:
        print("Left out:")
        print("\n".join(f"  {line}" for line in left_out))
    return int(any(interpreter.failed for interpreter in interpreters))


if __name__ == "__main__":
    sys.exit(main())
