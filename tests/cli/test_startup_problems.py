"""What is wrong is found before anything is served, all of it at once."""

import re
import socket

import pytest


@pytest.fixture
def taken():
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def refused(narthex, apps):
    """Runs a command that must not start; returns its numbered problems, each in one line, and all of stderr."""

    def run(*arguments):
        bind = () if {"--bind", "--uds"}.intersection(arguments) else ("--bind", "127.0.0.1:0")
        ended = narthex("serve", "--app-dir", str(apps), *arguments, *bind)
        assert ended.returncode == 2, ended.stderr
        assert ended.stdout == ""
        assert "Narthex running" not in ended.stderr
        numbered = re.split(r"^ +\d+\. ", ended.stderr, flags=re.MULTILINE)[1:]
        assert f"{len(numbered)} problem" in ended.stderr
        assert all("-> " in problem for problem in numbered), "each says what to do"
        return [" ".join(problem.split()) for problem in numbered], ended.stderr

    return run


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nosuch:app", "there is no module 'nosuch'"),
        ("plian:app", "Did you mean 'plain'"),
        ("plain:aap", "Did you mean 'plain:app'"),
        ("plain", "plain:application"),
        ("plain:Lifespan", "is no application"),
    ],
)
def test_application(refused, target, said):
    (problem,), stderr = refused(target)
    assert problem.startswith(f"APP {target}: ")
    assert said in problem
    assert "Traceback" not in stderr


def test_application_whose_module_raises_keeps_its_traceback(refused):
    (problem,), stderr = refused("faulty:app")
    assert "importing 'faulty' failed: KeyError: 'SECRET_KEY'" in problem
    assert stderr.count("Traceback") == 1
    assert "in prepare" in stderr
    assert "importer.py" not in stderr


def test_nothing_to_serve(refused):
    (problem,), _ = refused()
    assert "nothing to serve" in problem


@pytest.mark.parametrize(
    ("target", "said"),
    [("nosuch:register", "there is no module 'nosuch'"), ("services:registre", "Did you mean 'services:register'")],
)
def test_callable(refused, target, said):
    (problem,), stderr = refused("--grpc", target)
    assert problem.startswith(f"--grpc {target}: ")
    assert said in problem
    assert "Traceback" not in stderr


def test_callable_that_raises_keeps_its_traceback(refused):
    (problem,), stderr = refused("--grpc", "services:failing")
    assert "the callable raised RuntimeError: the service cannot be made" in problem
    assert stderr.count("Traceback") == 1
    assert "in failing" in stderr


def test_service_registered_twice(refused):
    (problem,), _ = refused("--grpc", "services:register", "--grpc", "services:register")
    assert "registers kitchen.v1.Kitchen a second time" in problem


def test_colliding_bindings(refused):
    (problem,), stderr = refused("--grpc", "services:collision")
    assert "First" in problem
    assert "Second" in problem
    assert "/broken/" in problem
    assert "Traceback" not in stderr


def test_bad_template_and_unknown_field(refused):
    problems, stderr = refused("--grpc", "services:template")
    assert len(problems) == 2
    assert any("Unclosed" in problem and "/broken/{name" in problem for problem in problems)
    assert any("Unknown" in problem and "nosuch" in problem for problem in problems)
    assert "Traceback" not in stderr


def test_port_taken(refused, taken):
    (problem,), stderr = refused("plain:app", "--bind", f"127.0.0.1:{taken}")
    assert f"127.0.0.1:{taken}" in problem
    assert "is taken" in problem
    assert "Traceback" not in stderr


def test_socket_in_a_missing_folder(refused, tmp_path):
    (problem,), _ = refused("plain:app", "--uds", str(tmp_path / "nosuch" / "x.sock"))
    assert str(tmp_path / "nosuch" / "x.sock") in problem


def test_bad_values(refused):
    problems, _ = refused("plain:app", "--max-body", "12q", "--header-timeout", "soon", "--forwarded-allow-ips", "me")
    assert [problem.partition(":")[0] for problem in problems] == [
        *("--forwarded-allow-ips me", "--max-body 12q", "--header-timeout soon"),
    ]


def test_all_of_them_at_once(refused, taken):
    problems, stderr = refused(
        *("nosuch:app", "--grpc", "services:failing", "--grpc", "services:collision", "--grpc", "services:template"),
        *("--bind", f"127.0.0.1:{taken}", "--bind", "nowhere", "--max-body", "12q"),
    )
    assert len(problems) == 8
    for said in ("'nosuch'", "services:failing", "Collision", "Unclosed", "Unknown", str(taken), "nowhere", "12q"):
        assert any(said in problem for problem in problems), f"{said} in:\n{stderr}"


def test_a_bad_start_closes_what_it_bound(refused, serve):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    refused("nosuch:app", "--bind", f"127.0.0.1:{port}")
    with serve("plain:app", "--bind", f"127.0.0.1:{port}") as server:
        assert server.port == port
