"""Chromium on the demo's page: @connectrpc/connect-web and grpc-web, from the demo's own origin and from another one."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import httpx
import pytest
from demos import DEMO, demo
from served import Served

SCRIPT = DEMO / "shop" / "static" / "shop" / "browser.js"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="there was no npm to bundle the demo's browser page with")
playwright = pytest.importorskip("playwright.sync_api")

PROTOCOLS = {"connect": "connect", "connect-binary": "connect", "grpc-web": "grpc-web", "grpc-web-text": "grpc-web"}
"""What the page calls them, and the access log."""


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another site, with the same page and script."""

    protocol_version = "HTTP/1.1"

    def __init__(self, site: "Site", *arguments) -> None:
        self.site = site
        super().__init__(*arguments)

    def do_GET(self) -> None:
        script = self.path.endswith("browser.js")
        page = httpx.get(f"{self.site.url}/browser", trust_env=False).text
        page = page.replace('id="browser"', f'id="browser" data-server="{self.site.url}"')
        body = SCRIPT.read_bytes() if script else page.encode()
        self.send_response(200)
        self.send_header("content-type", "text/javascript" if script else "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """It has no log."""


@dataclass
class Site:
    """The demo, and another site whose page calls it."""

    url: str = ""
    served: Served | None = None
    elsewhere: int = 0

    def page(self, origin: str) -> str:
        hosts = {
            "own": self.url,
            "allowed": f"http://127.0.0.1:{self.elsewhere}",
            "strange": f"http://localhost:{self.elsewhere}",
        }
        return f"{hosts[origin]}/browser"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Elsewhere, site)) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        site.elsewhere = elsewhere.server_address[1]
        allowed = f"http://127.0.0.1:{site.elsewhere}"
        with demo(tmp_path_factory.mktemp("demo"), "--cors-origin", allowed) as served:
            site.url, site.served = served.url, served
            yield site
        elsewhere.shutdown()


@pytest.fixture(params=list(PROTOCOLS))
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


def choose(page: "playwright.Page", site: Site, origin: str, protocol: str) -> None:
    """Opens the page and waits until the first calls, which are the page's default, are over; then chooses."""
    page.goto(site.page(origin))
    page.wait_for_function("document.querySelector('output').value === 'SERVING'")
    page.select_option("select", protocol)


@pytest.mark.parametrize("origin", ["own", "allowed"])
def test_a_call_and_a_stream(page: "playwright.Page", site: Site, origin: str, protocol: str) -> None:
    """Chosen, the protocol fetches the books and watches the server's health."""
    assert site.served
    choose(page, site, origin, protocol)
    page.wait_for_function("document.querySelector('output').value === 'SERVING'")
    isbn = f"97800000{list(PROTOCOLS).index(protocol)}000{origin == 'own':d}"
    for name, value in {"title": f"By {protocol}", "author": "A browser", "isbn": isbn, "pages": "7"}.items():
        page.fill(f"input[name={name}]", value)
    page.click("form button")
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    assert page.inner_text("[role=status]") == f"“By {protocol}” is on the shelf."
    assert f"By {protocol}\tA browser\t{isbn}" in page.inner_text("tbody")
    assert PROTOCOLS[protocol] in site.served.flows()


@pytest.mark.parametrize("origin", ["own", "allowed"])
def test_an_error_with_its_details(page: "playwright.Page", site: Site, origin: str, protocol: str) -> None:
    choose(page, site, origin, protocol)
    page.fill("input[name=isbn]", "1")
    page.click("form button")
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    said = page.inner_text("[role=status]")
    assert "InvalidArgument: the request is not valid" in said
    assert "book.isbn: Enter 10 or 13 digits" in said


def test_a_strange_origin_gets_nothing(page: "playwright.Page", site: Site) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(site.page("strange"))
    page.wait_for_function("document.querySelector('[role=status]').textContent !== ''")
    assert page.inner_text("tbody") == ""
    assert any("CORS policy" in complaint for complaint in complaints), complaints
