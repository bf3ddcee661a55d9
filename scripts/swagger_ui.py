"""Puts Swagger UI, which shows the OpenAPI document at --openapi-page, where the wheel takes it from.

It is the package swagger-ui-dist as npm's registry has it: files that are ready to be served, so there is no need of npm.
Without a way to the registry it says so and leaves nothing: such a wheel is complete but for the page. What came is used only
if it is what was meant, else the build fails.

    python scripts/swagger_ui.py
"""

import base64
import hashlib
import io
import shutil
import sys
import tarfile
import urllib.request
from pathlib import Path

VERSION = "5.35.0"
# npm's own `integrity` of this version.
SHA512 = "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ=="
URL = f"https://registry.npmjs.org/swagger-ui-dist/-/swagger-ui-dist-{VERSION}.tgz"
SECONDS = 60

FOLDER = Path(__file__).parent.parent / "python" / "narthex" / "openapi_page" / "swagger-ui"
# What is served, and the licences under which it may be passed on. What is waited for by make comes last.
FILES = ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "swagger-ui-bundle.js")


def main() -> int:
    """Fetches, checks and unpacks; 1 if what came is something else."""
    # Those of another version are not what this one is tested with.
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        with urllib.request.urlopen(URL, timeout=SECONDS) as answer:
            package = answer.read()
    except OSError as error:
        print(f"{URL} cannot be had: {error}. The wheel is made without the page of --openapi-page.")
        return 0
    got = base64.b64encode(hashlib.sha512(package).digest()).decode()
    if got != SHA512:
        print(f"{URL} is not what it was: its SHA-512 is {got}, not {SHA512}. Find out why before you build.", file=sys.stderr)
        return 1
    FOLDER.mkdir()
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for name in FILES:
            member = archive.extractfile(f"package/{name}")
            assert member is not None, name
            (FOLDER / name).write_bytes(member.read())
    return 0


if __name__ == "__main__":
    sys.exit(main())
