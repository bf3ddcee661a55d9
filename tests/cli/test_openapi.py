"""``narthex openapi`` and ``serve --openapi``: one document, which a validator of OpenAPI 3.1 takes."""

import json

import httpx
import pytest
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
        assert (head.status_code, int(head.headers["content-length"])) == (200, len(got.content))
