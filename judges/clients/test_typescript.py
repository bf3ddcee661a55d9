"""A client in TypeScript, generated from the demo's OpenAPI document: it must compile, refuse what is wrong, and work."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from demos import demo
from openapi_spec_validator import OpenAPIV31SpecValidator
from served import Served

HERE = Path(__file__).parent
SOURCES = HERE / "typescript"
MODULES = HERE / "node_modules"
PATH = "/openapi.json"

pytestmark = [
    pytest.mark.skipif(not shutil.which("node"), reason="there is no Node to compile TypeScript with"),
    pytest.mark.skipif(not MODULES.exists(), reason="there was no npm to get openapi-typescript with"),
]


def run(*command: object, cwd: Path) -> None:
    """Runs a program of Node's; what it says is the failure."""
    ended = subprocess.run(["node", *map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"[-4000:]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with demo(tmp_path_factory.mktemp("demo"), "--openapi", PATH) as served:
        yield served


@pytest.fixture(scope="module")
def document(shop: Served) -> bytes:
    answer = httpx.get(f"{shop.url}{PATH}", trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.fixture(scope="module")
def project(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's sources beside the types that are generated for it."""
    folder = tmp_path_factory.mktemp("typescript")
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "package.json").write_text(json.dumps({"type": "module"}))
    (folder / "openapi.json").write_bytes(document)
    run(MODULES / "openapi-typescript" / "bin" / "cli.js", "openapi.json", "--output", "api.ts", cwd=folder)
    return folder


def test_the_document_is_valid(document: bytes) -> None:
    spec = json.loads(document)
    assert spec["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(spec).validate()


def test_the_client_compiles_and_works(shop: Served, project: Path) -> None:
    run(MODULES / "typescript" / "bin" / "tsc", "--project", project, cwd=project)
    run("client.js", shop.url, cwd=project)
