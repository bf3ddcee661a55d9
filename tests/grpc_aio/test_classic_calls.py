"""``grpc.server(ThreadPoolExecutor(...))``: synchronous servicers and their context."""

import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc import StatusCode
from grpc_servers import METHOD, PATIENCE, Calls, entries, error_of, outcome

TO_SERVER = (("to-server", "question"), ("to-server-bin", b"\x00\x01"))
INITIAL = (("initial", "answer"), ("initial-bin", b"\x00\x02"))
TRAILING = (("trailing", "thanks"), ("trailing-bin", b"\x00\x03"))
REQUESTS = [b"one", b"two", b"three"]


class Status(namedtuple("Status", ["code", "details", "trailing_metadata"]), grpc.Status):
    """What ``grpc_status.rpc_status.to_status`` makes."""


def unary(handler, **how):
    return grpc.unary_unary_rpc_method_handler(handler, **how)


# ---- the four kinds, and what they do with the context


def prepare(context):
    assert entries(context.invocation_metadata()) == list(TO_SERVER)
    context.send_initial_metadata(INITIAL)
    context.set_trailing_metadata(TRAILING)


class Servicer:
    def unary_unary(self, request, context):
        prepare(context)
        return request.upper()

    def unary_stream(self, request, context):
        prepare(context)
        for _ in range(3):
            yield request.upper()

    def stream_unary(self, request_iterator, context):
        prepare(context)
        return b" ".join(request_iterator).upper()

    def stream_stream(self, request_iterator, context):
        prepare(context)
        for request in request_iterator:
            yield request.upper()


KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
ANSWERS = {
    "unary_unary": [b"ONE"],
    "unary_stream": [b"ONE"] * 3,
    "stream_unary": [b"ONE TWO THREE"],
    "stream_stream": [b"ONE", b"TWO", b"THREE"],
}


def handler_of(servicer, kind):
    return getattr(grpc, f"{kind}_rpc_method_handler")(getattr(servicer, kind))


def begin(served, kind, **options):
    """A call of this kind, which can be asked for everything."""
    request = iter(REQUESTS) if kind.startswith("stream") else b"one"
    method = getattr(served.channel, kind)(METHOD)
    if kind.endswith("_unary"):
        return method.future(request, timeout=PATIENCE, **options)
    return method(request, timeout=PATIENCE, **options)


def answers(call, kind):
    return [call.result()] if kind.endswith("_unary") else list(call)


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_calls(serving, kind):
    with serving(handler_of(Servicer(), kind)) as served:
        call = begin(served, kind, metadata=TO_SERVER)
        assert entries(call.initial_metadata()) == list(INITIAL)
        assert answers(call, kind) == ANSWERS[kind]
        assert entries(call.trailing_metadata()) == list(TRAILING)
        assert call.code() is StatusCode.OK


def abort(context):
    context.abort(StatusCode.NOT_FOUND, "nowhere")


def abort_with_number(context):
    context.abort(3, "nowhere")


def abort_with_ok(context):
    context.abort(StatusCode.OK, "nowhere")


def abort_with_status(context):
    context.abort_with_status(Status(StatusCode.NOT_FOUND, "nowhere", (("a-status", "42"),)))


def set_code(context):
    context.set_code(StatusCode.NOT_FOUND)
    context.set_details("nowhere")


def set_code_and_raise(context):
    set_code(context)
    raise ValueError("what a value")


def raise_at_once(context):
    raise ValueError("what a value")


NOWHERE = (StatusCode.NOT_FOUND, "nowhere")
ENDS = {
    abort: NOWHERE,
    abort_with_ok: (StatusCode.UNKNOWN, ""),
    abort_with_status: NOWHERE,
    set_code: NOWHERE,
    set_code_and_raise: NOWHERE,
}
WHERE_IT_RAISED = {
    "unary_unary": "calling application",
    "unary_stream": "iterating responses",
    "stream_unary": "calling application",
    "stream_stream": "iterating responses",
}


class Ending:
    """Each method ends as ``end`` says, those with streams after they have read or written something."""

    def __init__(self, end):
        self.end = end

    def unary_unary(self, request, context):
        self.end(context)
        return b"response"

    def unary_stream(self, request, context):
        yield b"response"
        self.end(context)

    def stream_unary(self, request_iterator, context):
        list(request_iterator)
        self.end(context)
        return b"response"

    def stream_stream(self, request_iterator, context):
        yield from request_iterator
        self.end(context)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_ends(serving, kind, end):
    with serving(handler_of(Ending(end), kind)) as served:
        assert outcome(error_of(lambda: answers(begin(served, kind), kind))) == ENDS[end]


@pytest.mark.parametrize("kind", KINDS)
def test_an_exception(serving, kind):
    with serving(handler_of(Ending(raise_at_once), kind)) as served:
        said = outcome(error_of(lambda: answers(begin(served, kind), kind)))
    assert said == (StatusCode.UNKNOWN, f"Exception {WHERE_IT_RAISED[kind]}: what a value")


def test_abort_with_a_number_which_is_no_code(serving):
    with serving(handler_of(Ending(abort_with_number), "unary_unary")) as served:
        assert outcome(error_of(served.unary_unary)) == (StatusCode.UNKNOWN, "nowhere")


def test_the_metadata_of_abort_with_status(serving):
    with serving(handler_of(Ending(abort_with_status), "unary_unary")) as served:
        assert entries(error_of(served.unary_unary).trailing_metadata()) == [("a-status", "42")]


def test_what_was_set_can_be_read(serving):
    seen = []

    def handler(request, context):
        context.set_code(StatusCode.NOT_FOUND)
        context.set_details("lost")
        context.set_trailing_metadata(TRAILING)
        seen.append((context.code(), context.details(), tuple(context.trailing_metadata())))
        return b""

    with serving(unary(handler)) as served:
        error_of(served.unary_unary)
    assert [(code, details if isinstance(details, str) else details.decode(), rest) for code, details, rest in seen] == [
        (StatusCode.NOT_FOUND, "lost", TRAILING)
    ]


def test_initial_metadata_twice(serving):
    raised = []

    def handler(request, context):
        context.send_initial_metadata(INITIAL)
        try:
            context.send_initial_metadata(INITIAL)
        except Exception as error:
            raised.append((type(error), str(error)))
        return b""

    with serving(unary(handler)) as served:
        served.unary_unary()
    assert raised == [(ValueError, "Initial metadata no longer allowed!")]


def test_a_request_that_cannot_be_read(serving):
    def handler(request, context):
        raise AssertionError("there is no request")

    with serving(unary(handler, request_deserializer=int)) as served:
        said = outcome(error_of(lambda: served.unary_unary(b"no number")))
    assert said == (StatusCode.INTERNAL, "Exception deserializing request!")


def test_a_request_of_a_stream_that_cannot_be_read(serving):
    seen = []

    def handler(request_iterator, context):
        seen.extend(request_iterator)
        return b""

    methods = grpc.stream_unary_rpc_method_handler(handler, request_deserializer=int)
    with serving(methods) as served:
        call = served.channel.stream_unary(METHOD).future(iter([b"1", b"no number", b"3"]), timeout=PATIENCE)
        said = outcome(error_of(call.result))
    assert said == (StatusCode.INTERNAL, "Exception deserializing request!")
    assert seen == [1]


def test_a_response_that_cannot_be_written(serving):
    with serving(unary(lambda request, context: None, response_serializer=lambda number: b"%d" % number)) as served:
        said = outcome(error_of(served.unary_unary))
    assert said == (StatusCode.INTERNAL, "Failed to serialize response!")


def test_none_is_no_message_but_the_end_of_a_stream(serving):
    went_on = []

    def stops(request, context):
        yield b"first"
        yield None
        went_on.append(True)

    handlers = {
        "Returns": grpc.unary_unary_rpc_method_handler(lambda request, context: None),
        "Yields": grpc.unary_stream_rpc_method_handler(stops),
    }
    with serving(handlers) as served:
        said = outcome(error_of(lambda: served.unary_unary(method="Returns")))
        assert said == (StatusCode.INTERNAL, "Failed to serialize response!")
        call = served.unary_stream(method="Yields")
        assert list(call) == [b"first"]
        assert call.code() is StatusCode.OK
    assert went_on == []


def test_keys_of_metadata_may_be_bytes(serving):
    def handler(request, context):
        context.send_initial_metadata(((b"initial", "one"), (b"initial-bin", b"\x01")))
        context.set_trailing_metadata(((b"trailing", b"two"),))
        return b""

    with serving(unary(handler)) as served:
        _, call = served.channel.unary_unary(METHOD).with_call(b"", timeout=PATIENCE)
    assert entries(call.initial_metadata()) == [("initial", "one"), ("initial-bin", b"\x01")]
    assert entries(call.trailing_metadata()) == [("trailing", "two")]


def test_a_compression_that_comes_too_late_has_no_effect(serving):
    def handler(request, context):
        for _ in range(2):
            yield b"response"
            context.set_compression(grpc.Compression.Gzip)

    with serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        assert list(served.unary_stream()) == [b"response"] * 2


def test_an_unknown_method(serving):
    with serving(unary(lambda request, context: request)) as served:
        assert outcome(error_of(lambda: served.unary_unary(method="Unknown"))) == (
            StatusCode.UNIMPLEMENTED,
            "Method not found!",
        )
        assert served.unary_unary(b"still here") == b"still here"


def test_they_run_in_the_pool_that_was_given(implementation_under_test):
    initialized = []
    local = threading.local()

    def initialize():
        initialized.append(threading.current_thread().name)
        local.value = "of the initializer"

    def handler(request, context):
        return f"{threading.current_thread().name} {local.value}".encode()

    with ThreadPoolExecutor(2, thread_name_prefix="own-pool", initializer=initialize) as pool:
        server = implementation_under_test.server(pool)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", {"Method": unary(handler)}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            answers = {Calls(channel).unary_unary() for _ in range(10)}
        server.stop(None).wait(PATIENCE)
    assert {answer.decode().split(" ", 1)[1] for answer in answers} == {"of the initializer"}
    assert {answer.decode().split(" ", 1)[0] for answer in answers} <= set(initialized)
    assert len(initialized) <= 2


def test_a_registered_handler_goes_before_a_generic_one(implementation_under_test, pool):
    server = implementation_under_test.server(pool)
    server.add_registered_method_handlers("test.Service", {"Method": unary(lambda request, context: b"registered")})
    generic = {"Method": unary(lambda request, context: b"generic"), "Other": unary(lambda request, context: b"generic")}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", generic),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert channel.unary_unary(METHOD, _registered_method=True)(b"", timeout=PATIENCE) == b"registered"
        assert channel.unary_unary("/test.Service/Other")(b"", timeout=PATIENCE) == b"generic"
    server.stop(None).wait(PATIENCE)


# ---- the end of a call, seen from inside


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_handler_sees_that_its_client_left(serving, how):
    waits, over, ended = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def handler(request, context):
        seen.append((context.is_active(), context.add_callback(over.set)))
        waits.set()
        assert over.wait(PATIENCE)
        seen.append((context.is_active(), context.add_callback(over.set)))
        ended.set()
        return b""

    with serving(unary(handler)) as served:
        call = served.channel.unary_unary(METHOD).future(b"", timeout=1 if how == "deadline" else PATIENCE)
        assert waits.wait(PATIENCE)
        if how == "cancel":
            call.cancel()
        assert ended.wait(PATIENCE)
    assert seen == [(True, True), (False, False)]


def test_callbacks_run_at_the_end(serving):
    over = threading.Event()

    def handler(request, context):
        context.add_callback(over.set)
        return b""

    with serving(unary(handler)) as served:
        served.unary_unary()
        assert over.wait(PATIENCE)


def test_a_handler_that_cancels_its_call(serving):
    def handler(request, context):
        context.cancel()
        return b""

    with serving(unary(handler)) as served:
        assert error_of(served.unary_unary).code() is StatusCode.CANCELLED


def test_the_requests_of_a_client_that_left(serving):
    begun, ended = threading.Event(), threading.Event()
    raised = []

    def handler(request_iterator, context):
        try:
            for _ in request_iterator:
                begun.set()
        except BaseException as error:
            raised.append(type(error))
            raise
        finally:
            ended.set()
        return b""

    go_on = threading.Event()

    def requests():
        yield b"one"
        go_on.wait(PATIENCE)

    with serving(grpc.stream_unary_rpc_method_handler(handler)) as served:
        call = served.channel.stream_unary(METHOD).future(requests(), timeout=PATIENCE)
        # A call that is cancelled in the moment it comes has no handler.
        assert begun.wait(PATIENCE)
        call.cancel()
        assert ended.wait(PATIENCE)
        go_on.set()
    assert len(raised) == 1


def seen_by_handler(serving, look, **options):
    seen = []

    def handler(request, context):
        seen.append(look(context))
        return b""

    with serving(unary(handler)) as served:
        served.unary_unary(**options)
    return seen[0]


def test_time_remaining(serving):
    assert 0 < seen_by_handler(serving, lambda context: context.time_remaining(), timeout=5) < 5.1


@pytest.mark.differs("grpcio says some 9e18 seconds, though its documentation says None")
def test_time_remaining_without_a_deadline(serving):
    assert seen_by_handler(serving, lambda context: context.time_remaining(), timeout=None) is None


def test_who_the_peer_is(serving):
    assert seen_by_handler(serving, lambda context: context.peer()).startswith("ipv4:127.0.0.1:")
    assert seen_by_handler(serving, lambda context: (context.peer_identities(), context.peer_identity_key())) == (None, None)
    assert seen_by_handler(serving, lambda context: context.auth_context())["transport_security_type"] == [b"insecure"]


def test_the_context_is_a_servicer_context(serving):
    assert seen_by_handler(serving, lambda context: isinstance(context, grpc.ServicerContext))


# ---- limits


def test_calls_over_the_limit_are_refused(serving):
    arrived, go_on = threading.Semaphore(0), threading.Event()

    def handler(request, context):
        arrived.release()
        assert go_on.wait(PATIENCE)
        return b"passed"

    with serving(unary(handler), maximum_concurrent_rpcs=3) as served:
        method = served.channel.unary_unary(METHOD)
        within = [method.future(b"", timeout=PATIENCE) for _ in range(3)]
        for _ in within:
            assert arrived.acquire(timeout=PATIENCE)
        for _ in range(5):
            assert outcome(error_of(served.unary_unary)) == (
                StatusCode.RESOURCE_EXHAUSTED,
                "Concurrent RPC limit exceeded!",
            )
        go_on.set()
        assert [call.result() for call in within] == [b"passed"] * 3
        assert served.unary_unary() == b"passed"
