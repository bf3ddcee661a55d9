"""Builds the wheel of an interpreter as it is published: optimised by a profile of what it does under load.

An instrumented build takes the load of `bench.training`; the build proper inlines and lays out by what that has counted. Each
takes as long as a release build, which is what ``--plain`` makes, and needs no tools of LLVM's.

    python scripts/wheel.py [--plain] ENVIRONMENT FOLDER
    python scripts/wheel.py --tools

The environment has what requirements/build.txt, requirements/test.txt and bench/requirements.txt name; the instrumented wheel
is installed into it. The folder has the wheel afterwards.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from rustup import CannotInstallError, component

ROOT = Path(__file__).resolve().parent.parent


def toolchain() -> str:
    """The one that everything here is built with."""
    return tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]


def profdata() -> Path:
    """LLVM's tool that merges profiles, of the LLVM that rustc has."""
    component(toolchain(), "llvm-tools")
    asked = subprocess.run(["rustc", "--print", "target-libdir"], cwd=ROOT, capture_output=True, text=True, check=False)
    tool = Path(asked.stdout.strip()).parent / "bin" / "llvm-profdata"
    if asked.returncode != 0 or not tool.exists():
        said = asked.stderr.strip() or f"{tool} is missing"
        raise CannotInstallError(f"the rustc of the path is not that of the {toolchain()} toolchain: {said}")
    return tool


def callers_flags() -> list[str]:
    """The flags of rustc that the environment asks for; the encoded ones win, as with Cargo."""
    encoded = os.environ.get("CARGO_ENCODED_RUSTFLAGS")
    return os.environ.get("RUSTFLAGS", "").split() if encoded is None else [flag for flag in encoded.split("\x1f") if flag]


class Builder:
    """Builds for one environment's interpreter, with target folders beside the wheels."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self.environment = environment
        self.bin = environment / "bin"
        self.folder = folder

    def wheel(self, out: Path, target: Path, *flags: str, **variables: str) -> Path:
        """A release build with these flags of rustc beside the caller's own; returns the wheel."""
        shutil.rmtree(out, ignore_errors=True)
        command = [self.bin / "maturin", "build", "--release", "--locked", "--interpreter", self.bin / "python", "--out", out]
        # The descriptors that MAKEFLAGS speaks of are make's: Python does not pass them on.
        own = {"CARGO_TARGET_DIR": str(target), "MAKEFLAGS": "", **variables}
        if flags:
            # Not RUSTFLAGS, which is split at spaces, as a path may have them.
            own["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join([*callers_flags(), *flags])
        subprocess.run(command, cwd=ROOT, env=os.environ | own, check=True)
        return next(out.glob("narthex-*.whl"))

    def install(self, wheel: Path) -> None:
        """Into the environment, in place of any other."""
        pip = [self.bin / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--force-reinstall", "--no-deps", wheel], check=True)
        (self.environment / "narthex-wheel").write_text("instrumented\n")

    def plain(self) -> None:
        """What `cargo build --release` makes; its target folder stays, for the next time."""
        self._keep(self.wheel(self.folder / "out", self.folder / "target"))

    def profiled(self, tool: Path) -> None:
        """Instruments, trains, builds. Only the wheel stays: Cargo would take a build by an old profile for a new one."""
        scratch = self.folder / "profile"
        shutil.rmtree(scratch, ignore_errors=True)
        counts, profile = scratch / "counts", scratch / "merged.profdata"
        print("An instrumented build, to make a profile with", flush=True)
        # Build scripts and macros are instrumented too; what they count is not of interest.
        thrown_away = str(scratch / "thrown-away" / "%m.profraw")
        instrumented = self.wheel(scratch / "out", scratch / "target", "-Cprofile-generate", LLVM_PROFILE_FILE=thrown_away)
        self.install(instrumented)
        shutil.rmtree(scratch / "target")
        training = [self.bin / "python", "-m", "bench.training"]
        # One file for all processes, which add their counts to it when they end.
        subprocess.run(training, cwd=ROOT, env=os.environ | {"LLVM_PROFILE_FILE": str(counts / "%m.profraw")}, check=True)
        subprocess.run([tool, "merge", "-o", profile, *counts.glob("*.profraw")], check=True)
        print("The build by that profile", flush=True)
        wheel = self.wheel(self.folder / "out", scratch / "target", f"-Cprofile-use={profile}")
        self._keep(wheel)
        shutil.rmtree(scratch)

    def _keep(self, wheel: Path) -> None:
        for old in self.folder.glob("*.whl"):
            old.unlink()
        wheel.rename(self.folder / wheel.name)


def main() -> int | str:
    """Builds it; what went wrong, if something did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plain", action="store_true", help="a release build without a profile, in half the time")
    parser.add_argument("--tools", action="store_true", help="only make sure of the tools that a profile needs")
    parser.add_argument("environment", type=Path, nargs="?", help="a virtual environment of the interpreter to build for")
    parser.add_argument("folder", type=Path, nargs="?", help="where the wheel goes")
    options = parser.parse_args()
    try:
        tool = None if options.plain else profdata()
    except CannotInstallError as reason:
        return f"No wheel as it is published can be made here, only a plain one, which is slower: {reason}"
    if options.tools:
        return 0
    if options.folder is None:
        parser.error("ENVIRONMENT and FOLDER are needed")
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    builder = Builder(options.environment.absolute(), folder)
    try:
        if tool is None:
            builder.plain()
        else:
            builder.profiled(tool)
    except subprocess.CalledProcessError as error:
        return f"No wheel was made: {' '.join(map(str, error.cmd))} ended with exit code {error.returncode}, see above"
    return 0


if __name__ == "__main__":
    sys.exit(main())
