"""``--application-close-timeout``: an application whose client has left may go on for so long, if its response is not complete.

Nothing here measures time: a second application that is cancelled tells that the first one's time was over long before.
"""

import pytest


@pytest.fixture(scope="module")
def limited(serve):
    with serve("asgi_kitchen:app", "--no-access-log", "--application-close-timeout", "100ms") as server:
        yield server
        assert server.stop() == 0
        assert "ERROR" not in server.stderr()
        assert "Traceback" not in server.stderr()


@pytest.fixture
def leaves(dial, version, notes):
    """Begins a request, and leaves once the application is as far as it goes by itself."""

    def leaves(server, name, path="lingers", sends="nothing"):
        with dial(server, version) as connection:
            connection.request(f"/{path}?name={name}&sends={sends}")
            assert notes(server, name)[0] == "ready"
            if sends == "all":
                assert connection.response().body == b"x" * 10
            elif sends == "piece":
                connection.head()

    return leaves


@pytest.mark.parametrize("sends", ["nothing", "piece"])
def test_it_is_told_and_then_cancelled(limited, leaves, notes, name, sends):
    leaves(limited, name, sends=sends)
    assert notes(limited, name, 3) == ["ready", "http.disconnect", "cancelled"]
    limited.wait_for("the client left 100ms ago and the application goes on: it is cancelled")


@pytest.mark.parametrize("sends", ["all", "much"])
def test_one_whose_response_is_complete_is_left_alone(limited, leaves, notes, go, name, sends):
    """Also where the client has not taken all of it."""
    leaves(limited, name, sends=sends)
    leaves(limited, f"{name}-later")
    assert notes(limited, f"{name}-later", 3)[-1] == "cancelled"
    go(limited, name)
    expected = ["ready", "done"] if sends == "all" else ["ready", "http.disconnect", "done"]
    assert notes(limited, name, len(expected)) == expected


def test_one_that_ends_by_itself_is_not_cancelled(limited, leaves, dial, notes, go, name, version):
    with dial(limited, version) as connection:
        connection.request(f"/lingers?name={name}&sends=nothing")
        notes(limited, name)
        go(limited, name)
    # It was let go before its client left, and so has the loop's next turn to end in.
    leaves(limited, f"{name}-later")
    assert notes(limited, f"{name}-later", 3)[-1] == "cancelled"
    assert notes(limited, name, 3) == ["ready", "http.disconnect", "done"]


def test_it_is_cancelled_once(limited, leaves, notes, go, name):
    leaves(limited, name, path="lingers-on")
    assert notes(limited, name, 3) == ["ready", "http.disconnect", "cancelled"]
    leaves(limited, f"{name}-later")
    assert notes(limited, f"{name}-later", 3)[-1] == "cancelled"
    go(limited, name)
    assert notes(limited, name, 4)[-1] == "done"


def test_one_whose_client_leaves_while_it_blocks(limited, blocking, leaves, notes, dial, name, version):
    connection = dial(limited, version)
    connection.request(f"/lingers?name={name}&sends=piece")
    connection.head()
    notes(limited, name)
    with blocking(limited):
        connection.close()
    assert notes(limited, name, 3) == ["ready", "http.disconnect", "cancelled"]


def test_without_the_option_it_goes_on(kitchen, limited, leaves, notes, go, name):
    leaves(kitchen, name)
    leaves(limited, name)
    assert notes(limited, name, 3)[-1] == "cancelled"
    go(kitchen, name)
    assert notes(kitchen, name, 3) == ["ready", "http.disconnect", "done"]
