"""``narthex routes`` and ``narthex descriptors`` of services elsewhere."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

PROTOS = Path(__file__).parent.parent / "proto"
ECHO = ("--proto", "web/v1/web.proto", "-I", str(PROTOS))


@pytest.fixture
def run(narthex, apps):
    return lambda command, *arguments, **options: narthex(command, "--app-dir", str(apps), *arguments, **options)


def test_routes(run, upstream):
    ended = run("routes", "--grpc", "services:register", "--upstream", upstream.url)
    assert ended.returncode == 0, ended.stderr
    rows = [line.split(maxsplit=2) for line in ended.stdout.splitlines()]
    assert ["POST", "/web.v1.Echo/Unary", "web.v1.Echo.Unary, its own path"] in rows
    assert ["POST", "/kitchen/echo", "kitchen.v1.Kitchen.Echo"] in rows
    named = run("routes", "--upstream", f"web.v1.Other={upstream.url}")
    assert named.stdout.split() == ["POST", "/web.v1.Other/Unary", "web.v1.Other.Unary,", "its", "own", "path"]


def test_descriptors(run, upstream, tmp_path):
    output = tmp_path / "set.binpb"
    ended = run("descriptors", "--upstream", upstream.url, "-o", str(output))
    assert ended.returncode == 0, ended.stderr
    files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file
    services = {f"{file.package}.{service.name}" for file in files for service in file.service}
    assert {"web.v1.Echo", "web.v1.Other", "narthex.asgi.v1.AsgiService"} <= services


def test_a_file_will_do(run, web_pb2, tmp_path):
    described = tmp_path / "web.binpb"
    file = descriptor_pb2.FileDescriptorProto.FromString(web_pb2.DESCRIPTOR.serialized_pb)
    described.write_bytes(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())
    # Nobody is there to be asked.
    ended = run("routes", "--upstream", "http://127.0.0.1:1", "--descriptor-set", str(described), "--no-upstream-reflection")
    assert ended.returncode == 0, ended.stderr
    assert "/web.v1.Echo/Unary" in ended.stdout


def test_what_keeps_an_upstream_from_telling(run, start_upstream):
    ended = run("routes", "--upstream", "http://127.0.0.1:1")
    assert ended.returncode == 2
    assert "--upstream http://127.0.0.1:1: does not tell its descriptors" in ended.stderr
    assert "Connection refused" in ended.stderr
    assert "--proto FILE or --descriptor-set FILE" in ended.stderr
    with start_upstream(with_reflection=False) as silent:
        ended = run("routes", "--upstream", silent.url)
        assert (ended.returncode, f"--upstream {silent.url}: has no reflection" in ended.stderr) == (2, True), ended.stderr


def test_what_a_file_describes_needs_no_reflection(run, start_upstream):
    with start_upstream(with_reflection=False) as silent:
        ended = run("routes", "--upstream", silent.url, *ECHO)
    assert ended.returncode == 0, ended.stderr
    assert "/web.v1.Echo/Unary" in ended.stdout


def test_a_file_of_another_upstream_describes_nothing_here(run, upstream, start_upstream):
    with start_upstream(with_reflection=False) as silent:
        there = ("--upstream", f"web.v1.Echo={upstream.url}", "--upstream", f"web.v1.Other={upstream.url}")
        ended = run("routes", *there, "--upstream", silent.url, *ECHO)
    assert (ended.returncode, f"--upstream {silent.url}: has no reflection" in ended.stderr) == (2, True), ended.stderr


@pytest.mark.parametrize("command", ["routes", "serve"])
def test_a_file_that_describes_nothing_of_an_upstream_is_told(run, command):
    kitchen = ("--proto", "kitchen/v1/kitchen.proto", "-I", str(PROTOS))
    ended = run(command, "--upstream", "web.v1.Echo=http://127.0.0.1:1", "--no-upstream-reflection", *kitchen)
    assert ended.returncode == 2
    assert "--proto kitchen/v1/kitchen.proto: describes no service that is registered here or at an upstream" in ended.stderr
    assert "it has kitchen.v1.Kitchen" in ended.stderr


def test_an_interrupt_is_heard_while_upstreams_are_asked(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "narthex", "routes", "--upstream", url]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asking:
            connection, _ = silent.accept()
            with connection:
                asking.send_signal(signal.SIGINT)
                # An upstream has ten seconds to tell.
                _, said = asking.communicate(timeout=6)
    assert (asking.returncode, said) == (130, b"")
