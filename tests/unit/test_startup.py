"""Loading the application and the services."""

import asyncio
import re
import sys

import pytest
from narthex import startup
from narthex.config import Options
from narthex.server import loop_factory

APP = """
import events
events.append("app imported")

async def application(scope, receive, send): ...

class Instance:
    async def __call__(self, scope, receive, send): ...

instance = Instance()
number = 3

def factory():
    return application

async def slow_factory():
    return application

def bad_factory():
    raise ValueError("no luck")

def wsgi(environ, start_response): ...

class Wsgi:
    def __init__(self, environ, start_response): ...

def either(*arguments): ...

def either_wsgi(environ, start_response, extra=None): ...

def either_asgi(scope, receive, send=None): ...

async def either_coroutine(*arguments): ...

def four(a, b, c, d): ...

def asgi2(scope): ...

def leaving_factory():
    raise SystemExit(1)
"""

SERVICES = """
import asyncio, events, grpc
events.append("services imported")

def handlers(*names):
    return {name: grpc.unary_unary_rpc_method_handler(lambda request, context: b"") for name in names}

def register(server):
    events.append("registered")
    asyncio.get_event_loop_policy().get_event_loop()
    server.add_registered_method_handlers("a.S", handlers("M"))

async def register_on_loop(server):
    await asyncio.sleep(0)
    server.add_registered_method_handlers("b.S", handlers("M"))

def failing(server):
    server.add_registered_method_handlers("d.S", handlers("M"))
    raise ValueError("no luck")

async def failing_on_loop(server):
    raise ValueError("no luck")

def bind(server):
    server.add_insecure_port("[::]:50051")

def binding(server):
    bind(server)

async def binding_on_loop(server):
    bind(server)

def takes_nothing():
    pass

something = 3
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads with two modules on the path; what they did is in the list ``load.events``."""
    (tmp_path / "nxs_app.py").write_text(APP)
    (tmp_path / "nxs_services.py").write_text(SERVICES)
    (tmp_path / "events.py").write_text("events = []\nappend = events.append\n")
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(app=None, *grpc, factory=False, interface="auto", loop="asyncio"):
        options = Options(app=app, grpc=grpc, app_dir=str(tmp_path), factory=factory, interface=interface)
        with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
            asyncio.set_event_loop(runner.get_loop())
            try:
                return startup.load(options, runner)
            finally:
                asyncio.set_event_loop(None)

    run.events = lambda: sys.modules["events"].events
    yield run
    for name in ("nxs_app", "nxs_services", "events"):
        sys.modules.pop(name, None)


def only(problems):
    (problem,) = problems
    assert problem.hint
    return problem


def test_app_is_imported_before_services(load):
    loaded = load("nxs_app:application", "nxs_services:register")
    assert loaded.problems == []
    assert loaded.app.__name__ == "application"
    assert loaded.registrar.services == ("a.S",)
    assert load.events() == ["app imported", "services imported", "registered"]


def test_coroutine_function_runs_on_the_loop(load):
    loaded = load(None, "nxs_services:register", "nxs_services:register_on_loop")
    assert loaded.problems == []
    assert loaded.app is None
    assert loaded.registrar.services == ("a.S", "b.S")


def test_instance(load):
    assert load("nxs_app:instance").problems == []


def test_factory(load):
    assert load("nxs_app:factory", factory=True).app.__name__ == "application"


@pytest.mark.parametrize(
    ("target", "interface", "wsgi"),
    [
        ("nxs_app:application", "auto", False),
        ("nxs_app:instance", "asgi", False),
        ("nxs_app:wsgi", "auto", True),
        ("nxs_app:wsgi", "wsgi", True),
        # An instance of it is what iterates over the response (PEP 3333).
        ("nxs_app:Wsgi", "auto", True),
        ("nxs_app:either", "auto", False),
        ("nxs_app:either_wsgi", "auto", True),
        ("nxs_app:either_asgi", "auto", False),
        ("nxs_app:either_coroutine", "auto", False),
        ("nxs_app:either", "wsgi", True),
    ],
)
def test_interface(load, target, interface, wsgi):
    loaded = load(target, interface=interface)
    assert loaded.problems == []
    assert loaded.wsgi is wsgi


@pytest.mark.parametrize(
    ("target", "interface", "what", "hint"),
    [
        ("nxs_app:application", "wsgi", "cannot be called with two arguments (scope, receive, send)", "Without --interface"),
        ("nxs_app:wsgi", "asgi", "cannot be called with three arguments (environ, start_response)", "Without --interface"),
    ],
)
def test_another_interface(load, target, interface, what, hint):
    problem = only(load(target, interface=interface).problems)
    assert what in problem.what
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("target", "factory", "what", "hint"),
    [
        ("nxs_app:number", False, "an object of type int cannot be called", "scope, receive and send"),
        ("nxs_app:factory", False, "cannot be called with three or two arguments ()", "--factory"),
        ("nxs_app:Instance", False, "cannot be called with three or two arguments ()", "instance of it"),
        (
            "nxs_app:four",
            False,
            "cannot be called with three or two arguments (a, b, c, d)",
            "environ and start_response (WSGI)",
        ),
        ("nxs_app:asgi2", False, "cannot be called with three or two arguments (scope)", "guarantee_single_callable"),
        ("nxs_app:number", True, "is no factory", "--factory"),
        ("nxs_app:slow_factory", True, "coroutine function", "plain function"),
    ],
)
def test_no_application(load, target, factory, what, hint):
    problem = only(load(target, factory=factory).problems)
    assert problem.where == f"APP {target}"
    assert what in problem.what
    assert hint in problem.hint
    assert not problem.traceback


@pytest.mark.parametrize(
    ("target", "error"), [("nxs_app:bad_factory", "ValueError: no luck"), ("nxs_app:leaving_factory", "SystemExit: 1")]
)
def test_factory_that_raises(load, target, error):
    problem = only(load(target, factory=True).problems)
    assert problem.what == f"the factory raised {error}"
    assert "nxs_app.py" in problem.traceback
    assert "startup.py" not in problem.traceback


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("target", ["nxs_services:failing", "nxs_services:failing_on_loop"])
def test_callable_that_raises(load, target, loop):
    problem = only(load(None, target, loop=loop).problems)
    assert problem.where == f"--grpc {target}"
    assert problem.what == "the callable raised ValueError: no luck"
    assert "nxs_services.py" in problem.traceback
    assert "startup.py" not in problem.traceback
    assert "asyncio" not in problem.traceback
    assert "uvloop" not in problem.traceback


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("target", ["nxs_services:binding", "nxs_services:binding_on_loop"])
def test_callable_that_binds_a_port_is_told_how_and_where(load, target, loop):
    problem = only(load(None, target, loop=loop).problems)
    assert problem.what.startswith("server.add_insecure_port() is not for a --grpc callable")
    assert "use --bind [::]:50051" in problem.what
    assert re.fullmatch(r"The call is in bind, \S+nxs_services\.py, line \d+\.", problem.hint)
    assert not problem.traceback


def test_callable_of_the_wrong_shape(load):
    problem = only(load(None, "nxs_services:takes_nothing").problems)
    assert "takes 0 positional arguments but 1 was given" in problem.what
    assert not problem.traceback


def test_what_is_no_callable(load):
    assert "cannot be called" in only(load(None, "nxs_services:something").problems).what


def test_all_problems_are_found(load):
    loaded = load(
        "nxs_app:nothing", "nxs_services:failing", "nosuch:register", "nxs_services:register", "nxs_services:register"
    )
    assert [problem.where for problem in loaded.problems] == [
        *("APP nxs_app:nothing", "--grpc nxs_services:failing", "--grpc nosuch:register", "--grpc nxs_services:register"),
    ]
    assert "APP could not be loaded before it" in loaded.problems[1].hint
    assert "a second time" in loaded.problems[3].what
    assert loaded.registrar.services == ("d.S", "a.S")
