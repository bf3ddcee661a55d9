"""Callables that are no ASGI applications."""


def none(scope, receive, send):
    return None


def text(scope, receive, send):
    return "text"


def raises(scope, receive, send):
    raise ValueError("before there is a coroutine")
