"""The clients that people have at hand: curl, grpcurl, and the demo's own script."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demo_site import DEMO, PATIENCE, ROOT, Site

GRPCURL = ROOT / ".tools" / "bin" / "grpcurl"
curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
grpcurl = pytest.mark.skipif(not GRPCURL.exists(), reason="grpcurl is not there: `make` builds it where there is Go")


def run(*command: str | Path, input: bytes | None = None, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Runs the client, which must end with this exit code."""
    done = subprocess.run(command, input=input, capture_output=True, timeout=PATIENCE * 3, check=False)
    assert done.returncode == code, done
    return done


def run_curl(*arguments: str, input: bytes | None = None) -> bytes:
    """Its output."""
    return run("curl", "--silent", "--show-error", "--noproxy", "*", *arguments, input=input).stdout


def run_grpcurl(site: Site, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Options, then what comes after the address."""
    split = next((index for index, text in enumerate(arguments) if text in ("list", "describe") or "/" in text), 0)
    return run(GRPCURL, "-plaintext", *arguments[:split], site.target, *arguments[split:], code=code)


@curl
@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_curl(site: Site, version: str) -> None:
    with site.watch("json"):
        answer = run_curl(version, "--json", '{"a": 1, "b": 2}', f"{site.url}/api/add")
    assert json.loads(answer) == {"o": 3}
    with site.watch("json"):
        answer = run_curl(version, f"{site.url}/api/books/999999", "-w", "\n%{http_code} %{http_version}")
    status, _, rest = answer.decode().rpartition("\n")
    assert json.loads(status)["message"] == "no book has the id 999999"
    assert rest == ("404 2" if version == "--http2-prior-knowledge" else "404 1.1")


@curl
def test_curl_follows_redirects(site: Site) -> None:
    # Not over HTTP/2: curl 7.88, Debian 12's, fails whenever it uses a connection again that began with prior knowledge.
    with site.watch("page", "page"):
        answer = run_curl("--http1.1", "--location", "--include", f"{site.url}/moved")
    assert b"<h1>Bookshop</h1>" in answer


@curl
def test_curl_expects_100_continue(site: Site) -> None:
    data = b"0123456789" * 200_000
    with site.watch("page"):
        answer = run_curl(
            "--http1.1", "--include", "-H", "Expect: 100-continue", "--data-binary", "@-", f"{site.url}/inspect", input=data
        )
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert first == b"HTTP/1.1 100 Continue"
    assert rest.startswith(b"HTTP/1.1 200 ")
    assert json.loads(rest.partition(b"\r\n\r\n")[2])["body"]["size"] == len(data)


@curl
def test_curl_keeps_the_connection(site: Site) -> None:
    with site.watch("page", "json", "page"):
        answer = run_curl(
            "--http1.1",
            *("-o", "/dev/null", f"{site.url}/whoami"),
            *("-o", "/dev/null", f"{site.url}/api/books"),
            *("-o", "/dev/null", f"{site.url}/blob?size=100000"),
            *("-w", "%{num_connects} "),
        )
    assert answer.split() == [b"1", b"0", b"0"]


@grpcurl
def test_grpcurl_lists_and_describes(site: Site) -> None:
    services = run_grpcurl(site, "list").stdout.decode().split()
    assert {"shop.v1.DemoService", "shop.v1.ShopService", "grpc.health.v1.Health"} <= set(services)
    assert "narthex.asgi.v1.AsgiService" not in services
    assert run_grpcurl(site, "list", "shop.v1.DemoService").stdout.split() == [b"shop.v1.DemoService.Add"]
    described = run_grpcurl(site, "describe", "shop.v1.Book").stdout.decode()
    assert "string isbn = 4;" in described
    described = run_grpcurl(site, "describe", "shop.v1.ShopService").stdout.decode()
    assert '"/api/books/{book.id}"' in described


@grpcurl
def test_grpcurl_calls(site: Site) -> None:
    answer = run_grpcurl(site, "-d", '{"a": 1, "b": 2}', "shop.v1.DemoService/Add")
    assert json.loads(answer.stdout) == {"o": 3}
    answer = run_grpcurl(site, "-d", '{"isbn": "1"}', "-expand-headers", "shop.v1.ShopService/GetBook", code=1)
    assert b"isbn" in answer.stderr
    answer = run_grpcurl(site, "-d", '{"book": {"isbn": "1"}}', "shop.v1.ShopService/CreateBook", code=64 + 3)
    assert b"InvalidArgument" in answer.stderr
    assert b"google.rpc.BadRequest" in answer.stderr
    answer = run_grpcurl(site, "grpc.health.v1.Health/Check")
    assert json.loads(answer.stdout) == {"status": "SERVING"}
    # It leaves its question about the methods open, whose end would be logged in the next test.
    site.settle()


def test_the_demos_own_client(site: Site) -> None:
    with site.watch("grpc", "grpc", "grpc"):
        answer = run(sys.executable, DEMO / "ask.py", site.target).stdout.decode()
    assert "1 + 2 = 3" in answer
    assert "INVALID_ARGUMENT `a` and/or `b` must be set" in answer
