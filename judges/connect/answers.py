"""What connectrpc's conformance service answers, as its protocol buffers define it: the half that both styles share.

``service.proto`` of the suite, which comes with its runner, says what each method has to do. Nothing here waits or sends.
"""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from connectrpc.conformance.v1 import service_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2
from grpc_status import rpc_status

Metadata = tuple[tuple[str, str | bytes], ...]

ENDLESS = 10**8
"""Seconds. grpc's synchronous context gives a call without a deadline some hundreds of years, and not None."""


def request_info(context: Any, requests: Sequence[Any]) -> service_pb2.ConformancePayload.RequestInfo:
    """What the server has seen of the call so far."""
    info = service_pb2.ConformancePayload.RequestInfo(requests=map(_pack, requests))
    headers: dict[str, list[str]] = {}
    for name, value in context.invocation_metadata():
        headers.setdefault(name, []).append(_as_text(value))
    for name, values in headers.items():
        info.request_headers.add(name=name, value=values)
    remaining = context.time_remaining()
    if remaining is not None and remaining < ENDLESS:
        info.timeout_ms = int(remaining * 1000)
    return info


def payload(context: Any, requests: Sequence[Any], data: bytes = b"") -> service_pb2.ConformancePayload:
    """The payload of an only response."""
    return service_pb2.ConformancePayload(data=data, request_info=request_info(context, requests))


def refusal(definition: Any, context: Any, requests: Sequence[Any], *, answered: bool = False) -> Any:
    """The error that was asked for, for ``abort_with_status``; unless there was a response, its details say what was seen."""
    error = definition.error
    status = status_pb2.Status(code=error.code, message=error.message, details=error.details)
    if not answered:
        status.details.append(_pack(request_info(context, requests)))
    rich = rpc_status.to_status(status)
    # It has to carry all the trailing metadata: what it brings takes the place of what was set before.
    return rich._replace(trailing_metadata=(*trailing_metadata(definition), *rich.trailing_metadata))


class Exchange:
    """A call with many responses, as far as it got."""

    def __init__(self, response: type[Any], context: Any) -> None:
        self.definition = service_pb2.StreamResponseDefinition()
        self.full_duplex = False
        self.sent = 0
        self._begun = False
        self._response, self._context = response, context
        self._seen: list[Any] = []

    def receive(self, request: Any) -> bool:
        """Takes a request; true if it was the first, which says what to answer."""
        self._seen.append(request)
        if self._begun:
            return False
        self._begun, self.definition = True, request.response_definition
        self.full_duplex = getattr(request, "full_duplex", False)
        return True

    @property
    def left(self) -> bool:
        """Whether there is a response still to be sent."""
        return self.sent < len(self.definition.response_data)

    @property
    def delay(self) -> float:
        """How long to wait before a response, in seconds."""
        return delay(self.definition)

    def respond(self) -> Any:
        """The next response; the first says all that was seen, in full duplex a later one what was since the one before."""
        made = service_pb2.ConformancePayload(data=self.definition.response_data[self.sent])
        if self.sent == 0:
            made.request_info.CopyFrom(request_info(self._context, self._seen))
        elif self.full_duplex:
            made.request_info.requests.extend(map(_pack, self._seen))
        if self.full_duplex:
            self._seen = []
        self.sent += 1
        return self._response(payload=made)

    def refusal(self) -> Any:
        """The error that was asked for, if any."""
        if not self.definition.HasField("error"):
            return None
        return refusal(self.definition, self._context, self._seen, answered=self.sent > 0)


def initial_metadata(definition: Any) -> Metadata:
    """The headers that were asked for."""
    return _metadata(definition.response_headers)


def trailing_metadata(definition: Any) -> Metadata:
    """The trailers that were asked for."""
    return _metadata(definition.response_trailers)


def delay(definition: Any) -> float:
    """How long to wait before a response, in seconds."""
    return definition.response_delay_ms / 1000


def _pack(message: Any) -> any_pb2.Any:
    """The message as an Any."""
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _metadata(headers: Iterable[service_pb2.Header]) -> Metadata:
    return tuple((header.name.lower(), _from_text(header.name, value)) for header in headers for value in header.value)


def _as_text(value: str | bytes) -> str:
    return base64.b64encode(value).rstrip(b"=").decode() if isinstance(value, bytes) else value


def _from_text(name: str, value: str) -> str | bytes:
    return base64.b64decode(value + "=" * (-len(value) % 4)) if name.lower().endswith("-bin") else value
