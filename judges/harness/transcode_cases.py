"""The cases of ``conformance/``: what is sent, and whether what came of it is what they say."""

import base64
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory

FOLDER = Path(__file__).parent.parent.parent / "conformance"
FILES = ("query_binding", "request_json", "response_json", "errors", "status_mapping")

Json = Any


@dataclass(frozen=True)
class Case:
    """One case, whatever file it is from."""

    id: str
    level: str
    profile: str
    http: dict[str, Json]
    expect: dict[str, Json]
    also: tuple[dict[str, Json], ...]
    is_raw: bool
    envoy_agrees: bool

    @property
    def is_envoys(self) -> bool:
        """Whether it says what Envoy does."""
        return self.level == "impl:envoy"


@dataclass(frozen=True)
class Profile:
    """A server's configuration: its services, and options as Envoy spells them."""

    name: str
    services: tuple[str, ...]
    options: dict[str, Json]
    limit: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a client got, and what the backend did."""

    status: int
    headers: dict[str, str]
    body: bytes
    call: dict[str, Json] | None


def _load(name: str) -> Json:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def known_differences(transcoder: str) -> dict[str, str]:
    """Why a case comes out otherwise than it says, by case."""
    known = _load("known-differences")
    # Those of the layer, and those of the server around it.
    sections = ("narthex", "server") if transcoder == "narthex" else (transcoder,)
    return {case: entry["reason"] for section in sections for case, entry in known.get(section, {}).items()}


def profiles() -> dict[str, Profile]:
    """All profiles, those of the path sets included."""
    found = {
        name: Profile(name, tuple(profile["services"]), profile["options"], profile.get("buffer_limit_bytes"))
        for name, profile in _load("cases/profiles")["profiles"].items()
    }
    base = found["base"].options
    for group in _load("cases/path_match")["sets"]:
        found[group["id"]] = Profile(group["id"], (group["service"],), {**base, **group["options"]})
    return found


def cases() -> Iterator[Case]:
    """All that are an HTTP request."""
    for name in FILES:
        for case in _load(f"cases/{name}")["cases"]:
            if case.get("http"):
                yield Case(
                    id=case["id"],
                    level=case["level"],
                    profile=case.get("profile", "base"),
                    http=case["http"],
                    expect=case["expect"],
                    also=tuple(case.get("also_acceptable", ())),
                    is_raw="raw" in (case.get("backend") or {}),
                    envoy_agrees=case.get("envoy_agrees", False),
                )
    for group in _load("cases/path_match")["sets"]:
        for number, request in enumerate(group["requests"], 1):
            yield Case(
                id=f"{group['id']}/{number}",
                level=request["level"],
                profile=group["id"],
                http={**request, "headers": []},
                expect=_path_expectation(group["service"], request["expect"]),
                also=tuple(_path_expectation(group["service"], expect) for expect in request.get("also_acceptable", ())),
                is_raw=False,
                envoy_agrees=request.get("envoy_agrees", False),
            )


def _path_expectation(service: str, expect: dict[str, Json]) -> dict[str, Json]:
    if "rpc" not in expect:
        return {"kind": "reject", **expect}
    message: dict[str, Json] = {}
    for path, value in expect["vars"].items():
        *parents, last = path.split(".")
        at = message
        for name in parents:
            at = at.setdefault(name, {})
        at[last] = value
    kind = "vectors.pathsets.v1.PathVars"
    return {"kind": "rpc", "rpc": f"{service}/{expect['rpc']}", "messages": [message], "message_type": kind}


def _repeated(repeat: dict[str, Json]) -> str:
    count, part = repeat["count"], lambda name: repeat.get(name, "")
    if "unit" in repeat:
        return part("prefix") + part("unit") * count + part("suffix")
    return part("prefix") + part("open") * count + part("middle") + part("close") * count + part("suffix")


def request_bytes(case: Case) -> bytes:
    """The request as it goes over a connection, which it is the last of."""
    http = case.http
    path = _repeated(http["path_repeat"]) if "path_repeat" in http else http["path"]
    head = [f"{http['method']} {path} HTTP/1.1", "host: conformance", "connection: close", f"x-vector-case: {case.id}"]
    head += [f"{name}: {value}" for name, value in http["headers"]]
    if "body_chunks" in http:
        head.append("transfer-encoding: chunked")
        pieces = [chunk.encode() for chunk in http["body_chunks"]]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        body = _body(http)
        if body:
            head.append(f"content-length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def _body(http: dict[str, Json]) -> bytes:
    for name in ("body_repeat", "body_nest"):
        if name in http:
            return _repeated(http[name]).encode()
    return base64.b64decode(http["body_b64"]) if "body_b64" in http else http.get("body", "").encode()


def fault(case: Case, answer: Answer) -> str | None:
    """Why the answer is none that the case accepts."""
    faults = [_fault(case, answer, expect) for expect in (case.expect, *case.also)]
    return None if None in faults else faults[0]


def _fault(case: Case, answer: Answer, expect: dict[str, Json]) -> str | None:
    if expect["kind"] == "rpc":
        return _rpc_fault(answer, expect)
    if not _status_fits(answer.status, expect["http_status"]):
        return f"status {answer.status}, not {expect['http_status']}: {answer.body[:200]!r}"
    if expect["kind"] == "reject":
        if answer.call and answer.call["messages"]:
            return f"a message reached {answer.call['path']}"
        code = expect.get("grpc_code")
        try:
            given = json.loads(answer.body).get("code")
        except (ValueError, AttributeError):
            return None  # Envoy's own errors are text.
        return None if code is None or given == code else f"code {given}, not {code}"
    return None if case.http["method"] == "HEAD" else _response_fault(answer, expect)


def _rpc_fault(answer: Answer, expect: dict[str, Json]) -> str | None:
    if answer.call is None:
        return f"nothing was called: {answer.status} {answer.body[:200]!r}"
    if answer.call["path"].lstrip("/") != expect["rpc"]:
        return f"{answer.call['path']} was called"
    kind = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(expect["message_type"]))
    got = [kind.FromString(base64.b64decode(message)) for message in answer.call["messages"]]
    want = [json_format.ParseDict(message, kind()) for message in expect["messages"]]
    if [_canonical(message) for message in got] != [_canonical(message) for message in want]:
        return f"got {got}, not {want}"
    if "http_status" in expect and not _status_fits(answer.status, expect["http_status"]):
        return f"status {answer.status}, not {expect['http_status']}"
    return None


def _canonical(message: Any) -> Json:
    return json_format.MessageToDict(message)


def _status_fits(status: int, expect: Json) -> bool:
    if isinstance(expect, list):
        return any(_status_fits(status, each) for each in expect)
    return status == expect if isinstance(expect, int) else status // 100 == int(expect[0])


def _response_fault(answer: Answer, expect: dict[str, Json]) -> str | None:
    if "content_type" in expect and answer.headers.get("content-type", "").split(";")[0] != expect["content_type"]:
        return f"content-type {answer.headers.get('content-type')}, not {expect['content_type']}"
    for name, value in expect.get("headers", {}).items():
        if answer.headers.get(name) != value:
            return f"header {name} is {answer.headers.get(name)}, not {value}"
    if "body_text" in expect and answer.body != expect["body_text"].encode():
        return f"the body is {answer.body[:200]!r}, not {expect['body_text']!r}"
    if "body_b64" in expect and answer.body != base64.b64decode(expect["body_b64"]):
        return "the body has other bytes"
    if "body_json" in expect or "body_json_subset" in expect:
        try:
            body = json.loads(answer.body)
        except ValueError:
            return f"the body is no JSON: {answer.body[:200]!r}"
        if "body_json" in expect and not _same(body, expect["body_json"]):
            return f"the body is {answer.body[:200]!r}"
        for name, value in expect.get("body_json_subset", {}).items():
            if body.get(name) != value:
                return f"{name} is {body.get(name)}, not {value}"
    return None


def _same(a: Json, b: Json) -> bool:
    """Numbers compare as doubles, or as floats if those are equal."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (a, b))
    return (a == b or _float(a) == _float(b)) if numbers else type(a) is type(b) and a == b


def _float(value: float) -> float:
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return value


def is_ascii_path(case: Case) -> bool:
    """Whether the request line is one that HTTP allows."""
    return re.fullmatch(r"[!-~]*", case.http["path"]) is not None or "path_repeat" in case.http
