"""Chromium on the page of the demo's OpenAPI document: what it lists, a call that it makes, and no talk with anybody else."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from demos import demo
from narthex import openapi_page
from served import Served

if TYPE_CHECKING:
    from playwright.sync_api import Page

DOCUMENT = "/openapi.json"
# Of two segments: the page finds document and assets from there.
PATH = "/reference/api"
LISTED = "blocks => blocks.map(block => [block.querySelector('.opblock-summary-method').textContent, \
block.querySelector('[data-path]').dataset.path])"

pytestmark = pytest.mark.skipif(
    not openapi_page.SWAGGER_UI.is_dir(),
    reason="the wheel was made where Swagger UI could not be had",
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with demo(tmp_path_factory.mktemp("demo"), "--openapi", DOCUMENT, "--openapi-page", PATH) as served:
        yield served


@pytest.fixture
def complaints(page: "Page") -> list[str]:
    """What the console gets: errors, warnings, and whatever the page's policy forbids."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.add_init_script("addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective, e.blockedURI))")
    return said


@pytest.fixture
def asked(page: "Page") -> list[str]:
    """The URLs of all requests of the page."""
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    return urls


def test_it_lists_the_operations(page: "Page", shop: Served, complaints: list[str], asked: list[str]) -> None:
    document = httpx.get(shop.url + DOCUMENT, trust_env=False).json()
    page.goto(shop.url + PATH)
    page.wait_for_selector(".opblock")
    listed = page.eval_on_selector_all(".opblock", LISTED)
    assert sorted(listed) == sorted([method.upper(), path] for path, item in document["paths"].items() for method in item)
    assert page.title() == document["info"]["title"]
    assert complaints == []
    assert {url.removeprefix(shop.url) for url in asked if not url.startswith("data:")} == {
        PATH,
        *(f"{PATH}/{name}" for name in ("page.js", "swagger-ui-bundle.js", "swagger-ui.css")),
        DOCUMENT,
    }


def test_it_makes_a_call(page: "Page", shop: Served, complaints: list[str], asked: list[str]) -> None:
    page.goto(shop.url + PATH)
    add = page.locator(".opblock-post", has=page.locator('[data-path="/api/add"]'))
    add.locator(".opblock-summary-control").click()
    add.locator(".try-out__btn").click()
    add.locator("textarea.body-param__text").fill('{"a": 20, "b": 22}')
    add.locator("button.execute").click()
    answer = add.locator(".live-responses-table .response")
    assert answer.locator(".response-col_status").inner_text().split()[0] == "200"
    assert '"o": 42' in answer.locator(".highlight-code").first.inner_text()
    assert shop.url + "/api/add" in asked
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(shop.url).netloc}
    assert complaints == []


def test_its_policy_is_kept_by_the_browser(page: "Page", shop: Served, complaints: list[str]) -> None:
    """The proof that a request to another host would have been seen by the other tests."""
    page.goto(shop.url + PATH)
    page.wait_for_selector(".opblock")
    refused = "fetch('http://localhost:9/').then(() => 'sent', () => 'refused')"
    assert page.evaluate(refused) == "refused"
    assert any("connect-src" in complaint for complaint in complaints)
