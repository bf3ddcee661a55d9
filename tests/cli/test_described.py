"""``--proto`` and ``--descriptor-set``: what files say of services that are registered, and which of their services count."""

import json
from pathlib import Path

import httpx
import pytest
from google.protobuf import descriptor_pb2
from openapi_spec_validator import OpenAPIV31SpecValidator
from protos import describe_protos

PROTOS = Path(__file__).parent.parent / "proto"
KITCHEN = "kitchen/v1/kitchen.proto"
FLAGS = ["--proto", "--descriptor-set"]


@pytest.fixture
def describing(tmp_path):
    """The options that describe a file below a folder, by one of the two flags."""

    def options(flag, name=KITCHEN, folder=PROTOS):
        if flag == "--proto":
            return (flag, name, "-I", str(folder))
        return (flag, str(describe_protos(folder, tmp_path / "described.binpb", name)))

    return options


def with_comments(document):
    """What the comments of the kitchen are in a document, and that it is one."""
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    thread = document["components"]["schemas"]["kitchen.v1.EchoResponse"]["properties"]["thread"]
    tag = next(tag for tag in document["tags"] if tag["name"] == "kitchen.v1.Kitchen")
    return [
        document["paths"]["/kitchen/echo"]["post"].get("summary"),
        thread.get("description"),
        tag.get("description"),
    ]


COMMENTS = [
    "Answers with the text; served by a coroutine function.",
    "The name of the thread that served it.",
    "A service of everything that tests of the command need.",
]


@pytest.mark.parametrize("flag", FLAGS)
def test_comments_of_files_reach_what_is_registered(narthex, apps, describing, flag):
    registered = ("openapi", "--app-dir", str(apps), "--grpc", "services:register")
    ended = narthex(*registered, *describing(flag))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert with_comments(json.loads(ended.stdout)) == COMMENTS
    without = narthex(*registered)
    assert with_comments(json.loads(without.stdout)) == [None, None, None]


@pytest.mark.parametrize("flag", FLAGS)
def test_they_are_served_without_an_upstream(serve, describing, flag):
    arguments = ("--grpc", "services:register", "--openapi", "/openapi.json", *describing(flag))
    with serve(*arguments) as server:
        assert with_comments(httpx.get(f"{server.url}/openapi.json").json()) == COMMENTS
        # What is registered is called as ever.
        assert httpx.post(f"{server.url}/kitchen/echo", json={"text": "a"}).json()["text"] == "a"


@pytest.mark.parametrize("flag", FLAGS)
def test_files_alone_have_a_document(narthex, describing, flag):
    ended = narthex("openapi", *describing(flag))
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert with_comments(document) == COMMENTS
    assert document["paths"].keys() == {"/kitchen/echo", "/kitchen/echo/{text}"}


@pytest.mark.parametrize("flag", FLAGS)
def test_comments_of_another_version_are_left_out(serve, describing, tmp_path, flag):
    newer = (PROTOS / KITCHEN).read_text().replace("string text = 1;", "string text = 1;\n  string added = 7;", 1)
    (tmp_path / KITCHEN).parent.mkdir(parents=True)
    (tmp_path / KITCHEN).write_text(newer)
    options = describing(flag, folder=tmp_path)
    with serve("--grpc", "services:register", "--openapi", "/openapi.json", *options) as server:
        line = server.wait_for("is another version")
        assert f"{KITCHEN} is another version than kitchen.v1.Kitchen is registered from" in line
        document = httpx.get(f"{server.url}/openapi.json").json()
        assert with_comments(document) == [None, None, None]
        assert "added" not in document["components"]["schemas"]["kitchen.v1.EchoRequest"]["properties"]


@pytest.mark.parametrize("command", ["openapi", "serve"])
def test_a_file_has_the_name_that_it_is_registered_with(narthex, apps, describing, command):
    options = describing("--proto", "kitchen.proto", PROTOS / "kitchen/v1")
    ended = narthex(command, "--app-dir", str(apps), "--grpc", "services:register", *options)
    assert ended.returncode == 2
    assert f"kitchen.v1.Kitchen, which is registered from {KITCHEN}, by the name of kitchen.proto" in ended.stderr
    assert f"name by -I the folder in which it is {KITCHEN}" in ended.stderr


def test_a_file_that_describes_nothing_served_is_told(narthex, apps, describing):
    registered = ("serve", "--app-dir", str(apps), "--grpc", "services:register")
    ended = narthex(*registered, *describing("--proto", "web/v1/web.proto"))
    assert ended.returncode == 2
    assert "--proto web/v1/web.proto: describes no service that is registered here or at an upstream" in ended.stderr
    assert "it has web.v1.Echo, web.v1.Other: register one by --grpc" in ended.stderr


def test_a_malformed_annotation_is_told_with_its_file_and_method(narthex, describing):
    """No compiler writes one; a program that makes descriptors may."""
    options = describing("--descriptor-set")
    described = Path(options[1])
    described.write_bytes(described.read_bytes().replace(b"/kitchen/echo", b"/kitchen/\xffcho"))
    ended = narthex("routes", *options)
    assert ended.returncode == 2
    told = " ".join(ended.stderr.split())
    place = f"--descriptor-set {described} {KITCHEN}"
    assert f"{place}: the google.api.http annotation of kitchen.v1.Kitchen.Echo is malformed: " in told
    assert "is not UTF-8" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("flag", FLAGS)
def test_a_registered_service_may_have_its_descriptor_from_a_file(serve, describing, tmp_path, flag):
    (tmp_path / "nowhere.proto").write_text(
        'syntax = "proto3"; package nowhere.v1; message M { string text = 1; } service Service { rpc Echo(M) returns (M); }'
    )
    options = describing(flag, "nowhere.proto", tmp_path)
    with serve("--grpc", "services:register_without_descriptor", *options) as server:
        answer = httpx.post(f"{server.url}/nowhere.v1.Service/Echo", json={"text": "a"})
        assert answer.json() == {"text": "a"}
        assert "gRPC alone" not in server.stderr()


@pytest.fixture
def shop(tmp_path):
    """A folder with an API of two files, and a third that both need."""
    for name, text in {
        "jobs/v1/jobs.proto": "package jobs.v1; message Job {} service Jobs { rpc Get(Job) returns (Job); }",
        "shop/v1/stock.proto": 'package shop.v1; import "jobs/v1/jobs.proto"; message Item {} '
        "service Stock { rpc Fill(Item) returns (jobs.v1.Job); }",
        "shop/v1/shop.proto": 'package shop.v1; import "shop/v1/stock.proto"; import "jobs/v1/jobs.proto"; '
        "service Shop { rpc Buy(Item) returns (jobs.v1.Job); }",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'syntax = "proto3"; {text}')
    return tmp_path


def services(ended):
    assert ended.returncode == 0, ended.stderr
    return {line.split()[1].split("/")[1] for line in ended.stdout.splitlines()}


def test_imports_of_other_packages_are_not_asked_for(narthex, shop):
    described = describe_protos(shop, shop / "shop.binpb", "shop/v1/shop.proto")
    ended = narthex("routes", "--descriptor-set", str(described))
    assert services(ended) == {"shop.v1.Shop", "shop.v1.Stock"}
    left_out = f"--descriptor-set {described}: the services of imports are left out: jobs.v1.Jobs;"
    assert f"INFO:     {left_out}" in ended.stderr
    # An upstream for all services would be asked for it.
    upstream = ("--upstream", "http://127.0.0.1:1", "--no-upstream-reflection")
    ended = narthex("routes", "--descriptor-set", str(described), *upstream)
    assert services(ended) == {"shop.v1.Shop", "shop.v1.Stock"}
    assert f"WARNING:  {left_out}" in ended.stderr
    # Whoever names a service has asked for it.
    upstream = ("--upstream", "jobs.v1.Jobs=http://127.0.0.1:1", "--no-upstream-reflection")
    assert services(narthex("routes", "--descriptor-set", str(described), *upstream)) == {"jobs.v1.Jobs"}
    assert services(narthex("routes", "--proto", "shop/v1/shop.proto", "-I", str(shop))) == {"shop.v1.Shop"}


def test_a_set_of_nothing_but_imports_is_about_them(narthex, shop):
    (shop / "all.proto").write_text(
        'syntax = "proto3"; package all; import "jobs/v1/jobs.proto"; message M { jobs.v1.Job j = 1; }'
    )
    described = describe_protos(shop, shop / "all.binpb", "all.proto")
    assert services(narthex("routes", "--descriptor-set", str(described))) == {"jobs.v1.Jobs"}


def test_buf_says_which_files_are_imports(narthex, shop):
    described = describe_protos(shop, shop / "image.binpb", "shop/v1/shop.proto")
    image = descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes())
    for file in image.file:
        # buf.alpha.image.v1.ImageFileExtension is_import, field 1 of field 8042.
        is_import = file.name == "shop/v1/stock.proto"
        file.MergeFromString(bytes([0xD2, 0xF6, 0x03, 2, 0x08, is_import]))
    described.write_bytes(image.SerializeToString())
    ended = narthex("routes", "--descriptor-set", str(described))
    assert services(ended) == {"shop.v1.Shop", "jobs.v1.Jobs"}
