"""Parts of Rust toolchains that rustup can add, for the scripts that need them."""

import shutil
import subprocess

TIMEOUT = 300


class CannotInstallError(Exception):
    """A part is not to be had on this machine."""


def component(toolchain: str, name: str) -> None:
    """Makes sure that a toolchain is there and has a component."""
    if shutil.which("rustup") is None:
        raise CannotInstallError(f"no rustup to install {name} of the {toolchain} toolchain with")
    for command in (
        ["rustup", "toolchain", "install", toolchain, "--profile", "minimal", "--no-self-update"],
        ["rustup", "component", "add", "--toolchain", toolchain, name],
    ):
        # An installed toolchain is not updated: what passed yesterday is what runs today.
        if command[1] == "toolchain" and _run_quietly(["rustup", "run", toolchain, "rustc", "--version"]) is None:
            continue
        if (problem := _run_quietly(command)) is not None:
            raise CannotInstallError(f"{name} of the {toolchain} toolchain could not be installed: {problem}")


def _run_quietly(command: list[str]) -> str | None:
    """The last line of what a command that failed says."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"{' '.join(command)} took more than {TIMEOUT} s"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return None if done.returncode == 0 else (lines or ["no reason given"])[-1]
