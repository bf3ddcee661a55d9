"""``narthex openapi`` and ``serve --openapi``: one document, which a validator of OpenAPI 3.1 takes; and its page."""

import json
import re
from urllib.parse import urljoin

import httpx
import pytest
from narthex import openapi, openapi_page
from openapi_spec_validator import OpenAPIV31SpecValidator

BASE = """
info: {title: Kitchen, version: '2'}
security: [{token: []}]
components: {securitySchemes: {token: {type: http, scheme: bearer}}}
"""


@pytest.fixture
def describe(narthex, apps):
    def run(*arguments):
        return narthex("openapi", "--app-dir", str(apps), "--grpc", "services:register", *arguments)

    return run


@pytest.fixture
def base(tmp_path):
    file = tmp_path / "base.yaml"
    file.write_text(BASE)
    return str(file)


@pytest.mark.parametrize("options", [(), ("--openapi-own-paths", "--json-proto-names", "--json-enums-as-ints")])
def test_the_document_is_valid(describe, base, options):
    ended = describe("--openapi-base", base, *options)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert document["info"] == {"title": "Kitchen", "version": "2"}
    assert {"/kitchen/echo", "/kitchen/echo/{text}"} <= document["paths"].keys()
    assert ("/kitchen.v1.Kitchen/Watch" in document["paths"]) == bool(options)


def test_what_is_wrong_is_told(describe, tmp_path):
    file = tmp_path / "base.yaml"
    file.write_text("paths: {}")
    ended = describe("--openapi-base", str(file))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert '"paths" is not for it to say' in ended.stderr
    ended = describe("--openapi-base", str(tmp_path / "none.yaml"))
    assert ended.returncode == 2
    assert "none.yaml: cannot be read" in ended.stderr


def test_it_is_served_where_it_is_asked_for(serve, describe):
    with serve("asgi_kitchen:app", "--grpc", "services:register", "--openapi", "/openapi.json") as server:
        got = httpx.get(f"{server.url}/openapi.json")
        assert got.status_code == 200
        assert got.headers["content-type"] == "application/json"
        assert got.json() == json.loads(describe().stdout)
        again = httpx.get(f"{server.url}/openapi.json", headers={"if-none-match": got.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = httpx.head(f"{server.url}/openapi.json")
        assert (head.status_code, int(head.headers["content-length"])) == (200, got.num_bytes_downloaded)


needs_page = pytest.mark.skipif(
    not openapi_page.SWAGGER_UI.is_dir(), reason="the wheel was made where Swagger UI could not be had"
)


@needs_page
@pytest.mark.parametrize("path", ["/docs", "/docs/", "/", "/a:b/c&d"])
def test_the_page_is_served_with_its_files(serve, path):
    options = ("--openapi", "/openapi.json", "--openapi-page", path)
    with serve("asgi_kitchen:app", "--grpc", "services:register", *options) as server:
        got = httpx.get(server.url + path)
        assert (got.status_code, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert got.headers["content-security-policy"] == openapi_page.POLICY
        named = [name.replace("&amp;", "&") for name in re.findall(r'(?:href|src|data-document)="(\./[^"]+)"', got.text)]
        files = {urljoin(f"{server.url}{path}", name) for name in named}
        folder = path.rstrip("/")
        assert files == {
            f"{server.url}/openapi.json",
            *(f"{server.url}{folder}/{name}" for name in ("swagger-ui.css", "swagger-ui-bundle.js", "page.js")),
        }
        for url in files:
            file = httpx.get(url)
            assert file.status_code == 200
            assert file.headers["x-content-type-options"] == "nosniff"
            assert httpx.get(url, headers={"if-none-match": file.headers["etag"]}).status_code == 304
            kind = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "json": "application/json"}
            assert file.headers["content-type"] == kind[url.rpartition(".")[2]]
        assert httpx.head(server.url + path).status_code == 200
        assert httpx.post(server.url + path).status_code == 405


def test_the_policy_lets_nothing_run_or_load_but_its_files():
    directives = dict(directive.split(" ", 1) for directive in openapi_page.POLICY.split("; "))
    assert directives.pop("default-src") == "'none'"
    assert directives.pop("img-src") == "'self' data:"
    assert set(directives.values()) == {"'self'", "'none'"}


def problems_of(**given):
    problems = []
    openapi.read(given, problems)
    return [(problem.where, problem.what, problem.hint) for problem in problems]


def test_a_page_needs_a_document(narthex):
    ended = narthex("serve", "--openapi-page", "/docs", "--grpc", "services:register")
    assert ended.returncode == 2
    assert "--openapi-page /docs: there is no document to show" in ended.stderr
    assert "--openapi /openapi.json" in ended.stderr


def test_paths_that_are_none_are_told_once():
    ((where, what, _),) = problems_of(openapi="openapi.json", openapi_page="/docs")
    assert (where, what) == ("--openapi openapi.json", "is not a path")
    ((where, what, _),) = problems_of(openapi="/openapi.json", openapi_page="docs")
    assert (where, what) == ("--openapi-page docs", "is not a path")


@needs_page
@pytest.mark.parametrize("document", ["/docs", "/docs/page.js"])
def test_page_and_document_may_not_be_at_one_path(document):
    ((where, what, _),) = problems_of(openapi=document, openapi_page="/docs")
    assert (where, what) == ("--openapi-page /docs", f"has a file where --openapi {document} is")


def test_a_wheel_without_the_page_says_so(monkeypatch, tmp_path):
    absent = tuple((tmp_path / file.name, media_type) for file, media_type in openapi_page.ASSETS)
    monkeypatch.setattr(openapi_page, "ASSETS", absent)
    ((where, what, _),) = problems_of(openapi="/openapi.json", openapi_page="/docs")
    assert where == "--openapi-page /docs"
    assert "has no page" in what


def test_what_is_hidden_from_json_is_not_described(describe, narthex, apps):
    own = "/kitchen.v1.Kitchen/Echo"
    shown = json.loads(describe("--openapi-own-paths").stdout)["paths"]
    hidden = json.loads(describe("--openapi-own-paths", "--expose", "json=kitchen.v1.Kitchen/Watch").stdout)["paths"]
    assert own in shown
    assert own not in hidden
    routes = narthex(
        "routes", "--app-dir", str(apps), "--grpc", "services:register", "--expose", "json=kitchen.v1.Kitchen/Watch"
    )
    assert routes.returncode == 0, routes.stderr
    assert "Kitchen.Watch" in routes.stdout
    assert "Kitchen.Echo" not in routes.stdout


@pytest.mark.parametrize("options", [("--openapi-base", "base.yaml"), ("--openapi-own-paths",)])
def test_what_has_no_effect_is_told(narthex, apps, tmp_path, options):
    (tmp_path / "base.yaml").write_text(BASE)
    ended = narthex("serve", "asgi_kitchen:app", "--app-dir", str(apps), *options, cwd=tmp_path)
    assert ended.returncode == 2
    assert f"{options[0]}: has no effect alone" in ended.stderr
