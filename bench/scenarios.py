"""The scenarios, in the order of the report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench import answers, peers
from bench.expected import Below, Expectation, Memory, Part, Ratio
from bench.load import H2Load, PingPong, Wrk
from bench.measures import MEMORY, WITH_FRONT, Column, Download, FixedRate, Health, IdleStreams, Measure, StartUp, Throughput

GRPC = {"content-type": "application/grpc", "te": "trailers"}
ADD_WIRE = b"\x00\x00\x00\x00\x04\x08\x01\x10\x02"
ADD_JSON = b'{"a":1,"b":2}'
SUM_JSON = b'{"sum":3}'
# An HttpBody of "text/plain" and "OK" in its envelope.
HTTP_BODY_LENGTH = 5 + 12 + 4
# Add(1, 2), 1,000 times.
REPEAT_WIRE = b"\x00\x00\x00\x00\x09\x0a\x04\x08\x01\x10\x02\x10\xe8\x07"
MEBIBYTE = 1 << 20
CHUNK_WIRE = b"\x00" + (MEBIBYTE + 4).to_bytes(4, "big") + b"\x0a\x80\x80\x40" + bytes(range(256)) * (MEBIBYTE // 256)
JSON = Wrk(path="/v1/add", method="POST", body=ADD_JSON, headers={"content-type": "application/json"}, answer=len(SUM_JSON))
CALCULATOR = ("--grpc", "calculator:register")


# Of what they can take, where nobody has nothing to do, and nobody is swamped.
PACE = 0.7


@dataclass(frozen=True)
class Way:
    """How a server is asked."""

    check: Callable[[int], None]
    measure: Measure


@dataclass(frozen=True)
class Scenario:
    """One question, put to everybody in the same way, but for those that only understand it put otherwise."""

    name: str
    title: str
    peers: tuple[peers.Peer, ...]
    check: Callable[[int], None]
    measure: Measure
    expectations: tuple[Expectation, ...] = ()
    # One core for the server and the other for the client, or both for both.
    pinned: bool = True
    # Whether a process that echoes stands by, on the client's core.
    echo: bool = False
    # For what is cheap and scatters.
    rounds_factor: int = 1
    # By names of servers.
    otherwise: Mapping[str, Way] = field(default_factory=dict)
    # A load under which the rivals show what they can take; of the least of that, the fixed rate is `PACE`.
    paced_by: Throughput | None = None

    def way(self, peer: peers.Peer) -> Way:
        """How this one is asked."""
        return self.otherwise.get(peer.name, Way(self.check, self.measure))


def _calculator(method: str, body: bytes, answer: int, **how: int) -> H2Load:
    return H2Load(path=f"/arithmetic.v1.Calculator/{method}", body=body, headers=GRPC, answer=answer, **how)


def _per(what: str) -> tuple[Column, ...]:
    return (
        Column("rps", f"{what}/s", more_is_better=True),
        Column("cpu_us", f"CPU us/{what.removesuffix('s')}", "{:.1f}"),
        MEMORY,
    )


def _json_peers() -> tuple[peers.Peer, ...]:
    return peers.narthex(None, *CALCULATOR), peers.envoy("json.yaml.in", peers.grpc_aio())


_TONIC_BY_GRPC = "tonic, called by gRPC"
_JSON_TO_TONIC = (peers.narthex_tonic(), peers.envoy("json.yaml.in", peers.tonic()), peers.structured_proxy(peers.tonic()))
_GRPC = (peers.narthex(None, *CALCULATOR), peers.grpc_aio("asyncio"), peers.grpc_aio())
_OVER_GRPC = peers.narthex("web:raw", "--http-over-grpc")

SCENARIOS = (
    Scenario(
        "raw-h1",
        "ASGI, two bytes, HTTP/1.1",
        peers.web("web:raw"),
        answers.http1,
        Throughput(Wrk()),
        (Ratio(2.3, 1.8), Memory(10, "uvicorn")),
    ),
    Scenario(
        "raw-h2",
        "ASGI, two bytes, HTTP/2",
        peers.web("web:raw", http2=True),
        answers.http2,
        Throughput(H2Load()),
        (Ratio(3, 2.3),),
    ),
    Scenario(
        "echo-10k",
        "ASGI, 10 KB there and back",
        peers.web("web:echo"),
        answers.echo,
        Throughput(Wrk(method="POST", body=answers.BIG_BODY, answer=len(answers.BIG_BODY))),
        (Ratio(2, 1.7),),
    ),
    Scenario(
        "stream-1m",
        "ASGI, 1 MiB streamed in 64 KiB pieces",
        peers.web("web:stream"),
        answers.streamed,
        Throughput(Wrk(connections=8, answer=1 << 20)),
    ),
    Scenario(
        "round-trips",
        "ASGI, three socket round trips in the handler",
        peers.web("web:lookups"),
        answers.http1,
        Throughput(Wrk()),
        (Ratio(1.15, 1.1, rivals=("uvicorn",)),),
        echo=True,
    ),
    Scenario(
        "grpc-1",
        "unary gRPC, a stream on each connection",
        _GRPC,
        answers.add_grpc,
        Throughput(_calculator("Add", ADD_WIRE, 7, streams=1)),
        (Ratio(20, 15),),
    ),
    Scenario(
        "grpc",
        "unary gRPC, 8 streams on each connection",
        (*_GRPC, peers.narthex_aio()),
        answers.add_grpc,
        Throughput(_calculator("Add", ADD_WIRE, 7)),
        (Ratio(20, 15),),
    ),
    Scenario(
        "grpc-64",
        "unary gRPC, 64 streams on each connection",
        _GRPC,
        answers.add_grpc,
        Throughput(_calculator("Add", ADD_WIRE, 7, streams=64)),
        (Ratio(20, 15),),
    ),
    Scenario(
        "grpc-sync",
        "unary gRPC of synchronous servicers",
        (peers.narthex(None, "--grpc", "calculator:register_sync"), peers.grpc_sync("narthex.grpc"), peers.grpc_sync("grpc")),
        answers.add_grpc,
        Throughput(_calculator("Add", ADD_WIRE, 7)),
        (Ratio(5, 5),),
    ),
    Scenario(
        "grpc-stream",
        "server streaming, 1,000 small messages a call",
        _GRPC,
        answers.repeat_grpc,
        Throughput(_calculator("Repeat", REPEAT_WIRE, 7_000, connections=2, streams=1), _per("calls")),
        (Ratio(10, 10),),
    ),
    Scenario(
        "grpc-ping-pong",
        "bidirectional streaming, a message there and one back",
        _GRPC,
        answers.add_each_grpc,
        Throughput(PingPong(), _per("messages")),
        (Ratio(10, 10),),
    ),
    Scenario(
        "grpc-1m",
        "unary gRPC, 1 MiB there and back",
        _GRPC,
        answers.mirror_grpc,
        Throughput(_calculator("Mirror", CHUNK_WIRE, len(CHUNK_WIRE), streams=1)),
        (Ratio(3, 3),),
    ),
    Scenario(
        "grpc-latency",
        "latency of unary gRPC at seven tenths of what the rivals can take",
        _GRPC,
        answers.add_grpc,
        FixedRate(1_000, connections=4, protocol="grpc"),
        (Part("p99_ms", 0.2, "p99 at most a fifth of the best rival's"),),
        paced_by=Throughput(_calculator("Add", ADD_WIRE, 7)),
    ),
    Scenario(
        "grpc-idle",
        "memory for 10,000 idle streams",
        _GRPC,
        answers.add_each_grpc,
        IdleStreams(connections=100, streams=100),
    ),
    Scenario(
        "connect",
        "the same servicer by Connect, in JSON",
        (peers.narthex(None, *CALCULATOR), peers.connectrpc("pyvoy"), peers.connectrpc("uvicorn")),
        answers.add_connect,
        Throughput(
            Wrk(
                path="/arithmetic.v1.Calculator/Add",
                method="POST",
                body=ADD_JSON,
                headers={"content-type": "application/json", "connect-protocol-version": "1"},
                answer=len(SUM_JSON),
            )
        ),
    ),
    Scenario(
        "json",
        "JSON to the same servicer, one core",
        _json_peers(),
        answers.add_json,
        Throughput(JSON, WITH_FRONT),
        (Ratio(40, 30),),
    ),
    Scenario(
        "json-free",
        "JSON to the same servicer, both cores free",
        _json_peers(),
        answers.add_json,
        Throughput(JSON, WITH_FRONT),
        pinned=False,
    ),
    Scenario(
        "json-lines",
        "100 MB of a servicer's stream as lines of JSON",
        _json_peers(),
        answers.table_json,
        Download(rows=100_000),
        (Below("more_mib", 16, "at most 16 MiB more for all of it"),),
    ),
    Scenario(
        "json-tonic",
        "JSON to a servicer in Rust, HTTP/1.1",
        _JSON_TO_TONIC,
        answers.add_json,
        Throughput(JSON, WITH_FRONT),
        (Ratio(3, 3, rivals=("Envoy + tonic",), ours="narthex-transcode + tonic"),),
    ),
    Scenario(
        "json-tonic-h2",
        "JSON to a servicer in Rust, HTTP/2, beside the same by gRPC",
        (*_JSON_TO_TONIC, peers.tonic(_TONIC_BY_GRPC)),
        answers.add_json,
        Throughput(H2Load(path=JSON.path, body=ADD_JSON, headers=JSON.headers, answer=len(SUM_JSON)), WITH_FRONT),
        (
            Ratio(3, 3, rivals=("Envoy + tonic",), ours="narthex-transcode + tonic"),
            Ratio(0.8, 0.8, rivals=(_TONIC_BY_GRPC,), ours="narthex-transcode + tonic"),
        ),
        otherwise={_TONIC_BY_GRPC: Way(answers.add_grpc, Throughput(_calculator("Add", ADD_WIRE, 7), WITH_FRONT))},
    ),
    Scenario(
        "http-over-grpc",
        "HTTP over gRPC, called as Envoy calls it",
        (_OVER_GRPC, peers.grpc_aio(app="web:raw")),
        answers.asgi_service,
        Throughput(
            H2Load(
                path=answers.HANDLER,
                body=bytes(5),
                headers={**GRPC, "x-envoy-original-method": "GET", "x-envoy-original-path": "/"},
                answer=HTTP_BODY_LENGTH,
            )
        ),
        (Ratio(8, 8),),
    ),
    Scenario(
        "http-over-grpc-envoy",
        "HTTP over gRPC through Envoy, all on one core",
        (
            peers.envoy("http_over_grpc.yaml.in", _OVER_GRPC),
            peers.envoy("http_over_grpc.yaml.in", peers.grpc_aio(app="web:raw")),
        ),
        answers.http1,
        Throughput(Wrk(), WITH_FRONT),
        (Ratio(8, 8, ours="Envoy + narthex"),),
    ),
    Scenario(
        "health",
        "gRPC health while a handler blocks for 200 ms at a time",
        (
            peers.narthex("web:blocking", "--http-over-grpc", name="narthex, sleep"),
            peers.narthex("web:blocking", "--http-over-grpc", name="narthex, spin"),
            peers.grpc_aio(app="web:blocking"),
        ),
        answers.serving,
        Health(),
        (Below("p99_ms", 10, "p99 below 10 ms"),),
    ),
    Scenario(
        "latency",
        "latency at 2,000 requests/s over HTTP/1.1",
        peers.web("web:raw"),
        answers.http1,
        FixedRate(2_000),
    ),
    Scenario("start-up", "start-up to the first answer", peers.web("web:raw"), answers.http1, StartUp(), rounds_factor=3),
)
