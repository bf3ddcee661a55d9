"""Runs each fuzz target for some seconds, and says which of them found something.

What a run learns stays in build/fuzz for the next one; `fuzz/corpus` holds the inputs that people chose, and those that once
failed.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CARGO_FUZZ = ROOT / ".tools/bin/cargo-fuzz"
LEARNT = ROOT / "build/fuzz"
# All of our code here is safe Rust, so that the address sanitizer would only slow it down, and want the nightly toolchain.
OPTIONS = ("--fuzz-dir=fuzz", "--sanitizer=none", "--features=libfuzzer")
# A fuzzer need not be linked as what is shipped is.
PROFILE = {"CARGO_PROFILE_RELEASE_LTO": "false", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}
# A slow or hungry input is a finding as well: these readers take what strangers send.
LIMITS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=4096", "-print_final_stats=1")


def fuzz(command: str, *arguments: str) -> list[str]:
    """A command of cargo-fuzz."""
    return [str(CARGO_FUZZ), "fuzz", command, *OPTIONS, *arguments]


def targets() -> list[str]:
    """All there are."""
    return sorted(file.stem for file in (ROOT / "fuzz/fuzz_targets").glob("*.rs"))


def run(target: str, seconds: int) -> bool:
    """Whether it found nothing."""
    learnt, artifacts = LEARNT / target, LEARNT / "found" / target
    for folder in (learnt, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    log = LEARNT / f"{target}.log"
    limits = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={artifacts}/"]
    command = fuzz("run", target, str(learnt), f"fuzz/corpus/{target}", "--", *limits)
    with log.open("w") as output:
        passed = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False).returncode == 0
    said = log.read_text(errors="replace").splitlines()
    if passed:
        executed = next((line.split()[-1] for line in said if "number_of_executed_units" in line), "?")
        print(f"{target}: nothing found in {executed} runs", flush=True)
    else:
        print("\n".join(said[-40:]))
        print(f"{target} FAILED: the input is in {artifacts}; make it a file of fuzz/corpus/{target}", flush=True)
    return passed


def main() -> int:
    """Runs them; the number that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("targets", nargs="*", help="all of them by default")
    options = parser.parse_args()
    os.environ.update(PROFILE)
    os.environ.setdefault("CARGO_TARGET_DIR", str(ROOT / "target/fuzz"))
    subprocess.run(fuzz("build"), cwd=ROOT, check=True)
    return [run(target, options.seconds) for target in options.targets or targets()].count(False)


if __name__ == "__main__":
    sys.exit(main())
