"""Puts a scenario to its servers: round by round, each server anew, so that a slow minute of the machine is everybody's."""

import os
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine
from bench.load import LoadError
from bench.measures import Bench, Figures, FixedRate
from bench.peers import APPS, HERE, Peer, Site
from bench.scenarios import PACE, Scenario
from bench.servers import Server, StartError, WrongAnswerError, free_port

ASGI_PROTOS = machine.ROOT / "crates" / "narthex-http-over-grpc" / "proto"


@dataclass(frozen=True)
class Settings:
    """How long and how often."""

    seconds: int
    rounds: int


@dataclass(frozen=True)
class Protos:
    """What was generated from the protos: modules, and the descriptor set for Envoy."""

    folder: Path
    descriptors: Path


def compile_protos(folder: Path) -> Protos:
    """Generates into the folder, and puts it on this process's import path."""
    from google.api import annotations_pb2
    from grpc_tools import protoc

    sources = [HERE / "proto", ASGI_PROTOS]
    names = [str(path.relative_to(source)) for source in sources for path in source.rglob("*.proto")]
    annotations = Path(annotations_pb2.__file__).parent.parent.parent
    includes = [f"-I{path}" for path in (*sources, annotations, files("grpc_tools") / "_proto")]
    descriptors = folder / "descriptors.binpb"
    outputs = [
        f"--python_out={folder}",
        f"--grpc_python_out={folder}",
        f"--descriptor_set_out={descriptors}",
        "--include_imports",
    ]
    if protoc.main(["protoc", *includes, *outputs, *names]) != 0:
        raise SystemExit("the protos do not compile")
    sys.path.insert(0, str(folder))
    return Protos(folder, descriptors)


def run(scenario: Scenario, settings: Settings, protos: Protos, only: list[str] | None = None) -> dict[str, Any]:
    """Measures everybody, or those whose names contain one of these; the result is what is written to bench/results."""
    peers = [peer for peer in scenario.peers if not only or any(part in peer.name for part in only)]
    seen: dict[str, list[Figures]] = {peer.name: [] for peer in peers}
    troubles: dict[str, str] = {}
    before = machine.busy()
    scenario = _paced(scenario, [peer for peer in peers if not peer.ours], settings, protos)
    rounds = settings.rounds * scenario.rounds_factor
    for number in range(rounds):
        for peer in peers:
            if peer.name in troubles:
                continue
            print(f"  {scenario.name}: round {number + 1} of {rounds}, {peer.name} ...", end="\r", file=sys.stderr, flush=True)
            try:
                seen[peer.name].append(_measure(scenario, peer, settings, protos))
            except (StartError, WrongAnswerError, LoadError) as error:
                # One bad round is enough: what a server does wrong fast is no figure.
                troubles[peer.name] = f"{type(error).__name__.removesuffix('Error')}: {error}"
            print("\033[K", end="", file=sys.stderr)
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "date": machine.now(),
        "commit": machine.commit(),
        "interpreter": machine.interpreter(),
        "wheel": machine.wheel(),
        "machine": machine.machine(),
        "load_average_before": before,
        "versions": machine.versions({package for peer in peers for package in peer.packages}),
        "method": {
            "measure": scenario.measure.describe(),
            "cores": "server on one core, client on another" if scenario.pinned else "server and client on the same two cores",
            "seconds": settings.seconds,
            "rounds": rounds,
        },
        "columns": [asdict(column) for column in scenario.measure.columns],
        "servers": [_row(peer, seen[peer.name], troubles.get(peer.name)) for peer in peers],
    }


def _paced(scenario: Scenario, rivals: list[Peer], settings: Settings, protos: Protos) -> Scenario:
    """The scenario at a rate that suits this machine, where it is to have one: a wait means little to a server that idles."""
    if scenario.paced_by is None or not rivals or not isinstance(scenario.measure, FixedRate):
        return scenario
    print(f"  {scenario.name}: what the rivals can take ...", end="\r", file=sys.stderr, flush=True)
    all_out = replace(scenario, measure=scenario.paced_by)
    taken = []
    for rival in rivals:
        # Of one that cannot be measured its rounds will tell.
        with suppress(StartError, WrongAnswerError, LoadError):
            taken.append(_measure(all_out, rival, settings, protos)["rps"])
    if not taken:
        return replace(scenario, title=f"{scenario.title} (none could be asked)")
    rate = max(100, int(min(taken) * PACE) // 100 * 100)
    return replace(scenario, measure=replace(scenario.measure, rate=rate))


def _row(peer: Peer, rounds: list[Figures], trouble: str | None) -> dict[str, Any]:
    figures = {} if trouble or not rounds else {key: median(figure[key] for figure in rounds) for key in rounds[0]}
    return {
        "server": peer.name,
        "note": peer.note,
        "ours": peer.ours,
        "figures": figures,
        "rounds": [] if trouble else rounds,
        "refused": trouble,
    }


def _measure(scenario: Scenario, peer: Peer, settings: Settings, protos: Protos) -> Figures:
    server_core, client_core = machine.cores()
    server_cores, client_cores = ({server_core}, {client_core}) if scenario.pinned else ({server_core, client_core},) * 2
    env = {**os.environ, "PYTHONPATH": f"{protos.folder}{os.pathsep}{APPS}", "NO_COLOR": "1"}
    # What a person's shell has would make one machine's figures unlike another's.
    env.pop("PYTHONDEVMODE", None)
    way = scenario.way(peer)
    ours: list[Server] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="narthex-bench-")))
        if scenario.echo:
            port = free_port()
            env["BENCH_ECHO_PORT"] = str(port)
            command = [sys.executable, str(APPS / "echo_server.py"), str(port)]
            echo = stack.enter_context(Server([command], env, client_cores))
            echo.wait(lambda: _connects(port))
            ours.append(echo)
        site = Site(free_port(), free_port(), folder, protos.descriptors, len(server_cores))
        server = stack.enter_context(Server(peer.commands(site), env, server_cores))
        ours.append(server)
        os.sched_setaffinity(0, client_cores)
        server.wait(lambda: way.check(site.port))
        bench = Bench(site.port, settings.seconds, client_cores, folder, peer.name)
        began, busy, own = time.monotonic(), machine.cpu_seconds(), _own_cpu_seconds(ours)
        try:
            figures = way.measure.take(server, bench)
        except OSError as error:
            raise LoadError(f"{error}: {server.said()}") from error
        others = machine.cpu_seconds() - busy - (_own_cpu_seconds(ours) - own)
        took = time.monotonic() - began
        # Over less than a second the clocks of /proc are too coarse for it.
        figures["others"] = max(0.0, others / took) if took >= 1 else 0.0
        try:
            way.check(site.port)
        except (OSError, WrongAnswerError) as error:
            raise WrongAnswerError(f"after the load, {error}: {server.said()}") from error
        return figures


def _own_cpu_seconds(servers: list[Server]) -> float:
    """What the servers, this process and the clients that it has waited for have used."""
    return sum(server.usage().cpu_seconds for server in servers) + sum(os.times()[:4])


def _connects(port: int) -> None:
    import socket

    socket.create_connection(("127.0.0.1", port), 1).close()
