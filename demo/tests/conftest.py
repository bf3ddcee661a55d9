"""The demo's end-to-end suite: each test runs against the demo itself and against the demo behind a real Envoy."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# For the bindings, shop.v1, and for the modules beside this one.
sys.path[:0] = [str(HERE.parent), str(HERE)]

import demo_site  # noqa: E402
from demo_site import Client, Site  # noqa: E402
from known_differences import DIFFERENCES  # noqa: E402
from shop.v1 import demo_pb2_grpc, shop_pb2_grpc  # noqa: E402


@pytest.fixture(scope="session")
def asked(request: pytest.FixtureRequest) -> Iterator[set[str]]:
    """The known differences that tests asked for: none that is not listed, and in a whole run all of them."""
    names: set[str] = set()
    yield names
    assert names <= set(DIFFERENCES), "differences without a reason"
    everything = {path.name for path in HERE.glob("test_*.py")}
    selected = {item.path.name for item in request.session.items}
    if everything <= selected and not request.config.option.keyword:
        assert names == set(DIFFERENCES), "differences that nobody asked for"


@pytest.fixture(scope="session", params=["direct", "envoy"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, asked: set[str]) -> Iterator[Site]:
    """The demo, serving."""
    folder = tmp_path_factory.mktemp(request.param)
    demo_site.prepare(folder)
    site = demo_site.start(request.param, folder, asked)
    yield site
    assert site.stop() == 0, site.log.text()
    log = site.log.text()
    # What views and servicers raise on purpose is logged by Django; a fault of the server's own has no business here.
    assert "panicked" not in log, log
    assert "never awaited" not in log, log


@pytest.fixture(params=["h1", "h2"])
def pages(request: pytest.FixtureRequest, site: Site) -> Client:
    """A client for what Django answers, over HTTP/1.1 and over HTTP/2."""
    return site.client("page", http2=request.param == "h2")


@pytest.fixture(params=["h1", "h2"])
def api(request: pytest.FixtureRequest, site: Site) -> Client:
    """A client for the JSON API, over HTTP/1.1 and over HTTP/2."""
    return site.client("json", http2=request.param == "h2")


@pytest.fixture
def demo(site: Site) -> Iterator[demo_pb2_grpc.DemoServiceStub]:
    """A stub on a channel of its own."""
    with site.channel() as channel:
        yield demo_pb2_grpc.DemoServiceStub(channel)


@pytest.fixture
def shop(site: Site) -> Iterator[shop_pb2_grpc.ShopServiceStub]:
    """A stub on a channel of its own."""
    with site.channel() as channel:
        yield shop_pb2_grpc.ShopServiceStub(channel)


_ISBNS = itertools.count(9_780_000_000_000)


@pytest.fixture
def isbn() -> str:
    """One that no book has."""
    return str(next(_ISBNS))


@pytest.fixture
def staff(site: Site) -> Client:
    """A browser, so to say, that is logged in to the admin."""
    client = site.client()
    log_in(client)
    return client


def log_in(client: Client) -> None:
    """By the form, as people do."""
    client.get("/admin/login/").raise_for_status()
    response = client.post(
        "/admin/login/?next=/admin/",
        data={
            "username": demo_site.USER,
            "password": demo_site.PASSWORD,
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
        },
    )
    assert (response.status_code, response.headers["location"]) == (302, "/admin/")
