"""The life of the process, on a stand-in for the native half."""

import asyncio
import os
import signal
import subprocess
import sys
import types
from dataclasses import replace

import narthex
import pytest
from narthex import server
from narthex.config import Config, Options
from narthex.exceptions import Problem, StartupError
from narthex.upstream import Upstreams

LIMITED = "limit 7 on ['SIGINT', 'SIGTERM']"


class Native(types.ModuleType):
    """Plays ``narthex._native``; ``events`` is what was asked of it, in order."""

    def __init__(self, *, problems=(), startup=None, discovery=None, shutdown=True):
        super().__init__("narthex._native")
        self.events = []
        self.made = None
        native = self

        class Server:
            addresses = ("http://127.0.0.1:1234", "unix:/x.sock")

            def __init__(self, *arguments, interceptors, wsgi):
                native.made = (*arguments, interceptors, wsgi)
                self.loop = arguments[1]

            def prepare(self):
                native.events.append("prepare")
                return list(problems)

            def undescribed(self):
                return []

            def startup(self):
                native.events.append("startup")
                return (startup or done)(self)

            async def discover(self):
                native.events.append("discover")
                if discovery:
                    raise discovery

            def serve(self):
                native.events.append("serve")
                self.loop.call_soon(os.kill, os.getpid(), signal.SIGTERM)

            def limit_stop_on(self, signals, timeout):
                native.events.append(f"limit {timeout:g} on {[number.name for number in signals]}")

            def limit_stop(self, timeout, early_code):
                native.events.append(f"limit {timeout:g} {early_code}")

            async def shutdown(self, timeout):
                native.events.append(f"shutdown {timeout:g}")
                return shutdown

            def close(self):
                native.events.append("close")

        self.Server = Server

    def keep_freed_memory(self):
        """Concerns the real process alone."""

    def init_logging(self, level, color):
        self.events.append(f"logging {level}")


async def done(_):
    await asyncio.sleep(0)


async def failing(_):
    raise RuntimeError("no database")


async def hanging(made):
    made.loop.call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


@pytest.fixture
def native(monkeypatch):
    def install(**behaviour):
        made = Native(**behaviour)
        monkeypatch.setitem(sys.modules, "narthex._native", made)
        monkeypatch.setattr(narthex, "_native", made, raising=False)
        return made

    monkeypatch.setattr(sys, "path", list(sys.path))
    return install


@pytest.fixture
def options(tmp_path):
    (tmp_path / "nxv_app.py").write_text("async def app(scope, receive, send): ...\n")
    yield lambda **more: Options(app="nxv_app:app", app_dir=str(tmp_path), config=Config(graceful_timeout=7), **more)
    sys.modules.pop("nxv_app", None)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_life(native, options, loop, capsys):
    fake = native()
    assert server.serve(options(loop=loop), []) == 0
    assert fake.events == [
        "logging info",
        "prepare",
        LIMITED,
        "startup",
        "serve",
        "limit 7 143",
        "shutdown 7",
        "close",
    ]
    config, made_on, app, methods, generic, services, descriptors, interceptors, wsgi = fake.made
    assert wsgi is False
    assert config == Config(graceful_timeout=7)
    assert type(made_on).__module__.partition(".")[0] == loop
    assert app.__name__ == "app"
    assert (methods, generic, services, tuple(interceptors)) == ({}, (), (), ())
    assert isinstance(descriptors, bytes)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "INFO:     Narthex running on http://127.0.0.1:1234 (Press CTRL+C to quit)"
    assert lines[1] == "INFO:     Narthex running on unix:/x.sock (Press CTRL+C to quit)"
    assert "SIGTERM" in lines[2]


def with_upstream(options):
    upstreams = Upstreams(targets=(("", "http://elsewhere"),))
    return replace(options, config=replace(options.config, upstreams=upstreams))


def test_upstreams_are_asked_before_anything_is_served(native, options):
    fake = native()
    assert server.serve(with_upstream(options()), []) == 0
    assert fake.events[3:6] == ["startup", "discover", "serve"]


def test_a_discovery_that_fails_is_not_passed_over(native, options):
    fake = native(discovery=MemoryError("no room for a future"))
    with pytest.raises(MemoryError, match="no room for a future"):
        server.serve(with_upstream(options()), [])
    assert fake.events[-2:] == ["discover", "close"]


def test_signal_handlers_are_put_back(native, options):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    native()
    server.serve(options(), [])
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_ready_fd_gets_one_line_and_is_closed(native, options):
    native()
    reading, writing = os.pipe()
    server.serve(options(ready_fd=writing), [])
    with os.fdopen(reading) as stream:
        assert stream.read() == "http://127.0.0.1:1234 unix:/x.sock\n"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)


READY_ON_A_STANDARD_STREAM = """
import os
from narthex import server
server._keep_private({number})
server._tell_ready(["http://127.0.0.1:1234"], {number})
assert os.get_inheritable({number})
os.write({number}, b"still open")
"""


@pytest.mark.parametrize(("number", "stream"), [(1, "stdout"), (2, "stderr")])
def test_ready_fd_that_is_a_standard_stream_stays_open(number, stream):
    script = READY_ON_A_STANDARD_STREAM.format(number=number)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=20, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert getattr(ended, stream) == "http://127.0.0.1:1234\nstill open"


def test_all_problems_are_told_together(native, options):
    fake = native(problems=[("--bind 127.0.0.1:80", "is taken", "Choose another.")])
    given = options(grpc=("nosuch:register",))
    with pytest.raises(StartupError) as caught:
        server.serve(given, [Problem("--max-body x", "is not a size", "Give one.")])
    assert [problem.where for problem in caught.value.problems] == [
        "--max-body x",
        "--grpc nosuch:register",
        "--bind 127.0.0.1:80",
    ]
    assert fake.events == ["logging info", "prepare", "close"]


def test_failed_lifespan(native, options, capsys):
    fake = native(startup=failing)
    assert server.serve(options(), []) == 3
    assert fake.events == ["logging info", "prepare", LIMITED, "startup", "close"]
    assert "ERROR:    The application's lifespan startup failed: no database" in capsys.readouterr().err


class LeftError(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def left(monkeypatch):
    """The exit codes of processes that were left at once."""
    codes = []

    def leave(code):
        codes.append(code)
        raise LeftError

    monkeypatch.setattr(server, "_leave", leave)
    return codes


@pytest.mark.parametrize(
    ("behaviour", "code", "last"),
    [({"shutdown": False}, 0, "shutdown 7"), ({"startup": hanging}, 143, "limit 7 143")],
)
def test_what_did_not_finish_is_not_waited_for(native, options, left, behaviour, code, last):
    fake = native(**behaviour)
    with pytest.raises(LeftError):
        server.serve(options(), [])
    assert left == [code]
    assert fake.events[-2:] == [last, "close"]


def test_what_was_cut_off_is_told_once_by_the_native_half(native, options, left, capsys):
    native(shutdown=False)
    with pytest.raises(LeftError):
        server.serve(options(), [])
    assert "Shutting down" in capsys.readouterr().err.splitlines()[-1]


STOPS_ITS_IMPORT = """
import os, signal
try:
    os.kill(os.getpid(), signal.{signal})
{handling}
async def app(scope, receive, send): ...
"""


@pytest.mark.parametrize("handling", ["finally: pass", "except BaseException: pass"])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signal_while_the_application_is_imported(native, options, left, tmp_path, capsys, name, code, handling):
    (tmp_path / "nxv_app.py").write_text(STOPS_ITS_IMPORT.format(signal=name, handling=handling))
    fake = native()
    with pytest.raises(LeftError):
        server.serve(options(), [])
    assert left == [code]
    assert not {"startup", "serve"}.intersection(fake.events)
    assert capsys.readouterr().err == f"INFO:     Stopped by {name} before start-up was complete\n"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signal_while_a_callable_waits(native, options, left, tmp_path, loop, name, code):
    (tmp_path / "nxv_app.py").write_text(
        "import asyncio, os, signal\n"
        "async def app(scope, receive, send): ...\n"
        "async def register(server):\n"
        f"    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.{name})\n"
        "    await asyncio.Event().wait()\n"
    )
    fake = native()
    with pytest.raises(LeftError):
        server.serve(options(grpc=("nxv_app:register",), loop=loop), [])
    assert left == [code]
    assert fake.events == ["logging info"]


@pytest.mark.parametrize("stream", ["None", "open('/dev/full', 'w')"])
def test_leaving_does_not_need_the_streams(stream):
    script = f"import sys; from narthex import server; sys.stdout = {stream}; print('x'); server._leave(7)"
    assert subprocess.run([sys.executable, "-c", script], timeout=20, check=False).returncode == 7


SECOND_SIGNAL = """
import os, signal, sys, time
from narthex.signals import Signals
import asyncio

async def main(signals):
    signals.watch(asyncio.get_running_loop(), lambda: None)
    os.kill(os.getpid(), signal.{first})
    await signals.asked.wait()
    print(signals.name, flush=True)
    os.kill(os.getpid(), signal.{second})
    time.sleep(30)

with Signals() as signals:
    asyncio.run(main(signals))
"""


@pytest.mark.parametrize(("first", "second", "code"), [("SIGTERM", "SIGTERM", 143), ("SIGTERM", "SIGINT", 130)])
def test_second_signal_ends_a_busy_process(first, second, code):
    script = SECOND_SIGNAL.format(first=first, second=second)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=20, text=True, check=False)
    assert ended.stdout == f"{first}\n"
    assert ended.stderr == "Ended at once by a second signal\n"
    assert ended.returncode == code


def test_an_interpreter_without_its_gil_is_refused(options, native, monkeypatch):
    native()
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with pytest.raises(StartupError) as raised:
        server.serve(options(), [])
    assert [problem.where for problem in raised.value.problems] == ["the interpreter"]
