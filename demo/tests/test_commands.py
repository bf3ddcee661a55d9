"""``make demo`` and ``make envoy`` as their user sees them: what is printed is true, and Ctrl-C ends it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from demo_site import DEMO, PATIENCE, environment


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """Runs demo/serve.py up to its hints, and ends it as Ctrl-C in a terminal does: the whole group gets the signal."""
    command = [sys.executable, str(DEMO / "serve.py"), "--bind", "127.0.0.1:0", *options]
    with (
        (folder / "stderr").open("wb") as stderr,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment(folder), start_new_session=True
        ) as process,
    ):
        assert process.stdout is not None
        said = ""
        while "ask.py" not in said:
            line = process.stdout.readline()
            assert line, said + (folder / "stderr").read_text()
            said += line
        found = re.search(r"(?P<url>http://\S+)/admin/\s+user (?P<user>\S+), password (?P<password>\S+)", said)
        assert found, said
        yield found.groupdict() | {"said": said}
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE * 3) == 0, (folder / "stderr").read_text()


def can_log_in(said: dict[str, str]) -> bool:
    """Whether the admin lets in whom the hints say."""
    with httpx.Client(base_url=said["url"], timeout=PATIENCE, trust_env=False) as client:
        client.get("/admin/login/").raise_for_status()
        token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
        login = {"username": said["user"], "password": said["password"]}
        return client.post("/admin/login/?next=/admin/", data=login | token).status_code == 302


@pytest.mark.parametrize("options", [[], ["--envoy"]], ids=["demo", "envoy"])
def test_what_is_printed_is_true(tmp_path: Path, options: list[str]) -> None:
    with serving(tmp_path, *options) as first:
        assert can_log_in(first)
        assert httpx.get(f"{first['url']}/api/books", trust_env=False).json()["books"]
        added = httpx.post(f"{first['url']}/api/add", json={"a": 1, "b": 2}, trust_env=False)
        assert added.json() == {"o": 3}
    with serving(tmp_path, *options) as second:
        assert second["password"] != first["password"]
        assert can_log_in(second)
        assert not can_log_in(second | {"password": first["password"]})
