"""``narthex.grpc.http``: metadata that shape an HTTP response."""

import pytest
from narthex.grpc import http


class Context:
    def __init__(self):
        self.trailing = (("before", "1"), ("x-http-code", "202"))

    def trailing_metadata(self):
        return self.trailing

    def set_trailing_metadata(self, metadata):
        self.trailing = metadata


def test_what_was_there_stays_save_the_status():
    context = Context()
    http.respond(context, status=201, headers={"Location": "/x"})
    assert context.trailing == (("before", "1"), ("x-http-code", "201"), ("location", "/x"))
    http.respond(context, headers=[("a", "1"), ("a", "2")])
    assert context.trailing[-3:] == (("location", "/x"), ("a", "1"), ("a", "2"))


@pytest.mark.parametrize("status", [0, 100, 199, 600])
def test_only_final_statuses(status):
    with pytest.raises(ValueError, match="final response"):
        http.metadata(status=status)
