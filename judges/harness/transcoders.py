"""The transcoders that the conformance cases judge, each with the options of a profile."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from served import Served
from started import started
from transcode_cases import FOLDER, Answer, Case, Profile, request_bytes

BACKEND = Path(__file__).parent.parent / "transcode"
PATIENCE = 30.0


class Transcoder:
    """One that runs; ``address`` is a port of this machine, or the path of a socket."""

    def __init__(self, address: int | Path, calls: Path) -> None:
        self.address = address
        self.calls = calls
        self._read = 0

    def send(self, case: Case) -> Answer:
        """Sends the case's request, and reads what was called for it."""
        with self._connect() as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(request_bytes(case))
            response = http.client.HTTPResponse(connection, method=case.http["method"])
            response.begin()
            try:
                body = response.read()
            except http.client.IncompleteRead as error:
                body = error.partial
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, body, self._call(case))

    def _connect(self) -> socket.socket:
        if isinstance(self.address, int):
            return socket.create_connection(("127.0.0.1", self.address), PATIENCE)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.address))
        return connection

    def _call(self, case: Case) -> dict[str, Any] | None:
        """The last call of the case: its line is written before the call is answered."""
        if not self.calls.exists():
            return None
        with self.calls.open(encoding="utf-8") as calls:
            calls.seek(self._read)
            found = [json.loads(line) for line in calls]
            self._read = calls.tell()
        return next((call for call in reversed(found) if call["case"] == case.id), None)


def environment(generated: Path, services: tuple[str, ...], calls: Path) -> dict[str, str]:
    """What the backend needs to know."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(generated), str(BACKEND))),
        "CONFORMANCE_CASES": str(FOLDER / "cases"),
        "CONFORMANCE_CALLS": str(calls),
        "CONFORMANCE_SERVICES": ",".join(services),
    }


@contextmanager
def narthex(profile: Profile, *, compat: str, generated: Path, folder: Path) -> Iterator[Transcoder]:
    """Our server, with the backend in it."""
    calls = folder / "calls"
    env = environment(generated, profile.services, calls)
    arguments = ["--bind", "127.0.0.1:0", "--grpc", "backend:register", "--api-prefix", "/", *_flags(profile, compat)]
    served = Served(arguments, env=env, cwd=folder)
    try:
        yield Transcoder(served.port, calls)
    finally:
        served.stop()


def _flags(profile: Profile, compat: str) -> list[str]:
    options, printed = profile.options, profile.options.get("print_options", {})
    flags = ["--transcode-compat", compat, "--auto-mapping" if options.get("auto_mapping") else "--no-auto-mapping"]
    if profile.limit is not None:
        flags += ["--max-body", str(profile.limit)]
    if printed.get("stream_newline_delimited"):
        flags += ["--json-stream", "sse" if printed.get("stream_sse_style_delimited") else "ndjson"]
    if options.get("ignore_unknown_query_parameters"):
        flags += ["--unknown-query", "ignore"]
    if "ignored_query_parameters" in options:
        flags += ["--ignored-query", ",".join(options["ignored_query_parameters"])]
    unescape = {"ALL_CHARACTERS": "all", "ALL_CHARACTERS_EXCEPT_SLASH": "except-slash"}.get(
        options.get("url_unescape_spec", "")
    )
    if unescape:
        flags += ["--unescape", unescape]
    validation = options.get("request_validation_options", {})
    switches: Mapping[str, Any] = {
        "--query-plus-is-space": options.get("query_param_unescape_plus"),
        "--unregistered-verbs": options.get("match_unregistered_custom_verb"),
        "--refuse-collisions": validation.get("reject_binding_body_field_collisions"),
        "--json-proto-names": printed.get("preserve_proto_field_names"),
        "--json-enums-as-ints": printed.get("always_print_enums_as_ints"),
        "--json-whitespace": printed.get("add_whitespace"),
        "--json-any-case-enums": options.get("case_insensitive_enum_parsing"),
        "--json-always-print": printed.get("always_print_primitive_fields"),
    }
    return flags + [switch for switch, is_on in switches.items() if is_on]


@contextmanager
def envoy(profile: Profile, *, generated: Path, folder: Path) -> Iterator[Transcoder]:
    """A real Envoy, with the backend on grpc.aio behind it."""
    calls, listener = folder / "calls", folder / "l"
    with started(BACKEND / "server.py", env=environment(generated, profile.services, calls)) as port:
        config = folder / "envoy.json"
        config.write_text(json.dumps(_bootstrap(profile, listener, port, generated / "all.binpb")), encoding="utf-8")
        binary = Path(sys.executable).parent / "envoy"
        log = folder / "envoy.log"
        command = [binary, "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                _wait_for(listener, process, log)
                yield Transcoder(listener, calls)
            finally:
                process.kill()


def _wait_for(listener: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Envoy tells nobody when it listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(str(listener)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"Envoy does not listen: {log.read_text(errors='replace')[-2000:]}")


def _bootstrap(profile: Profile, listener: Path, port: int, descriptors: Path) -> dict[str, Any]:
    extensions = "type.googleapis.com/envoy.extensions"
    transcoder = {
        "@type": f"{extensions}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(descriptors),
        "services": list(profile.services),
        **profile.options,
    }
    router = {"@type": f"{extensions}.filters.http.router.v3.Router"}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "20s"}}
    manager = {
        "@type": f"{extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "conformance",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    limit = {} if profile.limit is None else {"per_connection_buffer_limit_bytes": profile.limit}
    listening = {"name": "l", "address": {"pipe": {"path": str(listener)}}, "filter_chains": [{"filters": filters}], **limit}
    address = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    http2 = {
        "@type": f"{extensions}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [address]}]},
        "typed_extension_protocol_options": {
            f"{extensions[len('type.googleapis.com/') :]}.upstreams.http.v3.HttpProtocolOptions": http2
        },
    }
    return {"static_resources": {"listeners": [listening], "clusters": [cluster]}}
