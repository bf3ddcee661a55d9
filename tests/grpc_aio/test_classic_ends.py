"""``grpc.server``: what of several words on a call's end counts, and what is said when it has ended."""

import threading

import grpc
import pytest
from grpc import StatusCode
from grpc_servers import PATIENCE, entries, error_of, outcome


def unary(handler):
    return grpc.unary_unary_rpc_method_handler(handler)


def abort_again(context):
    try:
        context.abort(StatusCode.NOT_FOUND, "nowhere")
    except Exception:
        context.abort(StatusCode.INTERNAL, "broken")


def abort_and_return(context):
    try:
        context.abort(StatusCode.NOT_FOUND, "nowhere")
    except Exception:
        context.set_trailing_metadata((("a", "1"),))


def abort_and_say_otherwise(context):
    try:
        context.abort(StatusCode.NOT_FOUND, "nowhere")
    finally:
        context.set_details("elsewhere")


def abort_and_raise(context):
    try:
        context.abort(StatusCode.NOT_FOUND, "nowhere")
    except Exception as error:
        raise ValueError("what a value") from error


def abort_without_details(context):
    context.set_details("set before")
    context.abort(StatusCode.NOT_FOUND, "")


@pytest.mark.parametrize(
    ("end", "code", "details"),
    [
        (abort_again, StatusCode.INTERNAL, "broken"),
        (abort_and_return, StatusCode.NOT_FOUND, "nowhere"),
        (abort_and_say_otherwise, StatusCode.NOT_FOUND, "elsewhere"),
        (abort_and_raise, StatusCode.NOT_FOUND, "nowhere"),
        (abort_without_details, StatusCode.NOT_FOUND, ""),
    ],
)
def test_abort_answers_when_the_handler_has_ended(serving, end, code, details):
    """A servicer that aborts in ``except Exception`` has the last word, also on an abort that it has caught there."""

    def one(request, context):
        end(context)
        return b""

    def several(request, context):
        yield b"first"
        end(context)

    with serving({"One": unary(one), "Several": grpc.unary_stream_rpc_method_handler(several)}) as served:
        error = error_of(lambda: served.unary_unary(method="One"))
        assert outcome(error) == (code, details)
        assert entries(error.trailing_metadata()) == ([("a", "1")] if end is abort_and_return else [])
        call = served.unary_stream(method="Several")
        assert next(call) == b"first"
        assert outcome(error_of(lambda: next(call))) == (code, details)


def test_a_client_is_told_of_an_abort_when_its_handler_has_ended(serving):
    aborted, ended = threading.Event(), threading.Event()
    active = []

    def handler(request, context):
        try:
            context.abort(StatusCode.NOT_FOUND, "nowhere")
        finally:
            active.append(context.is_active())
            aborted.set()
            ended.wait(PATIENCE)

    with serving(unary(handler)) as served:
        call = served.channel.unary_unary("/test.Service/Method").future(b"", timeout=PATIENCE)
        assert aborted.wait(PATIENCE)
        with pytest.raises(grpc.FutureTimeoutError):
            call.exception(timeout=0.2)
        ended.set()
        assert call.code() is StatusCode.NOT_FOUND
    assert active == [True]


def test_an_abort_whose_client_has_left_is_no_error(serving, pool, caplog):
    aborted, left = threading.Event(), threading.Event()

    def handler(request, context):
        context.add_callback(left.set)
        try:
            context.abort(StatusCode.NOT_FOUND, "nowhere")
        finally:
            aborted.set()
            left.wait(PATIENCE)

    with caplog.at_level("ERROR"):
        with serving(unary(handler)) as served:
            call = served.channel.unary_unary("/test.Service/Method").future(b"", timeout=PATIENCE)
            assert aborted.wait(PATIENCE)
            call.cancel()
            assert left.wait(PATIENCE)
        # Until the handler has ended.
        pool.shutdown()
    assert not caplog.records


def test_a_code_that_is_none_is_not_set(serving):
    def handler(request, context):
        context.set_code(StatusCode.NOT_FOUND)
        context.set_code(None)
        return b"found"

    with serving(unary(handler)) as served:
        assert served.unary_unary() == b"found"


def test_lists_are_pairs_of_metadata_too(serving):
    def handler(request, context):
        context.send_initial_metadata([["a", "1"]])
        context.set_trailing_metadata([["b", "2"]])
        return b""

    with serving(unary(handler)) as served:
        _, call = served.channel.unary_unary("/test.Service/Method").with_call(b"", timeout=PATIENCE)
        assert entries(call.initial_metadata()) == [("a", "1")]
        assert entries(call.trailing_metadata()) == [("b", "2")]


def test_initial_metadata_after_the_end(serving):
    contexts = []

    def handler(request, context):
        contexts.append(context)
        yield b""

    with serving(grpc.unary_stream_rpc_method_handler(handler)) as served:
        assert list(served.unary_stream()) == [b""]
        with pytest.raises(ValueError, match="Initial metadata no longer allowed"):
            contexts[0].send_initial_metadata(())
