"""Interceptors of ``grpc.server(ThreadPoolExecutor(...))``."""

import contextvars
from collections import namedtuple

import grpc
from grpc import StatusCode
from grpc_servers import error_of, outcome

USER = contextvars.ContextVar("USER", default="nobody")


def unary(handler):
    return grpc.unary_unary_rpc_method_handler(handler)


class Noting(grpc.ServerInterceptor):
    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    def intercept_service(self, continuation, handler_call_details):
        self.notes.append(f"{self.name} before")
        handler = continuation(handler_call_details)
        self.notes.append(f"{self.name} after")
        return handler


class Doing(grpc.ServerInterceptor):
    def __init__(self, function):
        self.function = function

    def intercept_service(self, continuation, handler_call_details):
        return self.function(continuation, handler_call_details)


def test_interceptors_run_in_their_order(serving):
    notes = []
    with serving(unary(lambda request, context: request), interceptors=(Noting("a", notes), Noting("b", notes))) as served:
        assert served.unary_unary(b"x") == b"x"
    assert notes == ["a before", "b before", "b after", "a after"]


def test_an_interceptor_that_refuses(serving):
    def refuse(continuation, details):
        return unary(lambda request, context: context.abort(StatusCode.UNAUTHENTICATED, "who are you?"))

    with serving(unary(lambda request, context: request), interceptors=(Doing(refuse),)) as served:
        assert outcome(error_of(served.unary_unary)) == (StatusCode.UNAUTHENTICATED, "who are you?")


def test_an_interceptor_that_sends_the_call_elsewhere(serving):
    class Details(namedtuple("Details", ["method", "invocation_metadata"]), grpc.HandlerCallDetails):
        pass

    def redirect(continuation, details):
        return continuation(Details("/test.Service/Other", details.invocation_metadata))

    handlers = {"Method": unary(lambda *_: b"method"), "Other": unary(lambda *_: b"other")}
    with serving(handlers, interceptors=(Doing(redirect),)) as served:
        assert served.unary_unary() == b"other"


def test_an_interceptor_that_wraps_a_stream(serving):
    def each(request_iterator, context):
        yield from request_iterator

    def wrap(continuation, details):
        handler = continuation(details)

        def wrapped(request_iterator, context):
            for response in handler.stream_stream((b"in " + request for request in request_iterator), context):
                yield response + b" out"

        return grpc.stream_stream_rpc_method_handler(wrapped)

    with serving(grpc.stream_stream_rpc_method_handler(each), interceptors=(Doing(wrap),)) as served:
        assert list(served.stream_stream(iter([b"a", b"b"]))) == [b"in a out", b"in b out"]


def test_an_interceptor_that_raises(serving):
    def broken(continuation, details):
        raise ValueError("in the interceptor")

    with serving(unary(lambda request, context: request), interceptors=(Doing(broken),)) as served:
        assert error_of(served.unary_unary).code() is StatusCode.UNKNOWN


def test_a_context_variable_reaches_the_handler(serving):
    def sign_in(continuation, details):
        USER.set(dict(details.invocation_metadata)["user"])
        return continuation(details)

    with serving(unary(lambda request, context: USER.get().encode()), interceptors=(Doing(sign_in),)) as served:
        for user in ("ann", "bob"):
            assert served.unary_unary(metadata=(("user", user),)) == user.encode()
