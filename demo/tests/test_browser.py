"""A real Chromium: people log in, add a book by the admin's form and log out, and the book is there for every client."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_site import PASSWORD, USER, Site
from shop.v1 import shop_pb2, shop_pb2_grpc

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: apt-get install chromium")

playwright = pytest.importorskip("playwright.sync_api")

# Chromium asks for its own updates and looks up its maker's hosts, unless it is told not to. As root it has no sandbox.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: "playwright.Browser", site: Site) -> Iterator["playwright.Page"]:
    """A fresh profile. What the page complains of fails the test."""
    with chromium.new_context(base_url=site.url) as context:
        context.set_default_timeout(15_000)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
        # As somebody types, the admin's own script gives up a look-up for the next one.
        yield page
        assert not [said for said in complaints if not re.search(r"/admin/autocomplete/.*ERR_ABORTED", said)]


def log_in(page: "playwright.Page") -> None:
    """From a page that sends strangers to the login, which sends them back."""
    page.goto("/admin/shop/book/")
    assert "/admin/login/?next=/admin/shop/book/" in page.url
    page.fill("input[name=username]", USER)
    page.fill("input[name=password]", PASSWORD)
    page.click("input[type=submit]")
    page.wait_for_url("**/admin/shop/book/")


def test_the_admin(page: "playwright.Page", site: Site, isbn: str, tmp_path: Path) -> None:
    start = site.log.size()
    log_in(page)
    # The style sheets arrived: the admin's header has its colour.
    colour = page.eval_on_selector("#header", "element => getComputedStyle(element).backgroundColor")
    assert colour not in ("rgba(0, 0, 0, 0)", "rgb(255, 255, 255)")

    page.goto("/admin/shop/author/add/")
    page.fill("input[name=name]", f"Author {isbn}")
    page.click("input[name=_save]")
    page.wait_for_selector(".messagelist .success")

    page.goto("/admin/shop/book/add/")
    page.fill("input[name=title]", "Added by hand")
    # A select that asks the server while one types: the admin's scripts run, and their requests are answered.
    page.click(".select2-selection")
    page.fill(".select2-search__field", f"Author {isbn}")
    # The author that was looked for, not one of those that were shown while the look-up went on.
    page.click(f".select2-results__option--highlighted:has-text('{isbn}')")
    page.fill("input[name=isbn]", isbn)
    page.select_option("select[name=genre]", label="science")
    page.fill("input[name=pages]", "123")
    page.click("input[name=_save]")
    page.wait_for_url("**/admin/shop/book/")
    assert "was added successfully" in page.inner_text(".messagelist")
    page.screenshot(path=tmp_path / "admin.png")

    flows = {access.flow for access in site.log.accesses(start)}
    assert flows == {"http-over-grpc" if site.name == "envoy" else "http"}

    (found,) = site.client("json").get(f"/api/authors/Author {isbn}/books").json()["books"]
    assert (found["title"], found["genre"], found["pages"]) == ("Added by hand", "SCIENCE", 123)
    with site.watch("grpc"), site.channel() as channel:
        book = shop_pb2_grpc.ShopServiceStub(channel).GetBook(shop_pb2.GetBookRequest(id=int(found["id"])))
    assert (book.title, book.isbn, book.genre) == ("Added by hand", isbn, shop_pb2.Book.SCIENCE)

    page.click("#logout-form button")
    page.wait_for_selector("text=Thanks for spending")
    page.goto("/admin/")
    assert "/admin/login/" in page.url


def test_the_shops_own_form(page: "playwright.Page", isbn: str) -> None:
    page.goto("/")
    page.click("text=Add a book")
    page.fill("input[name=title]", "From the front <door>")
    page.fill("input[name=isbn]", "12")
    page.fill("input[name=pages]", "5")
    page.fill("input[name=author_name]", "Visitor")
    page.click("button[type=submit]")
    assert "Enter 10 or 13 digits" in page.inner_text(".errorlist")
    page.fill("input[name=isbn]", isbn)
    page.click("button[type=submit]")
    page.wait_for_selector(".messages")
    assert "From the front <door>" in page.inner_text(".messages")
    # The link of the book leads to the JSON API.
    page.click(f"tr:has-text('{isbn}') a")
    assert f'"isbn":"{isbn}"' in page.inner_text("body").replace(": ", ":").replace('", "', '","')


def test_upload(page: "playwright.Page") -> None:
    page.goto("/upload")
    page.fill("input[name=note]", "a note")
    page.set_input_files("input[type=file]", {"name": "picture.bin", "mimeType": "image/x", "buffer": b"\x00\x01" * 50_000})
    page.click("button[type=submit]")
    said = page.inner_text("body")
    assert '"note": ["a note"]' in said
    assert '"size": 100000' in said
