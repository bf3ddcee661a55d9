"""Nothing that a client sends ends the process, or disturbs the others."""

import random
import socket
import threading

import pytest
from wires import CutError, Response

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


HTTP1 = {
    "no request line": b"\x00\x01\x02\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "wrong version": b"GET / HTTP/3.0\r\nHost: a\r\n\r\n",
    "words": b"this is not a request at all\r\n\r\n",
    "target with control": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "nul in header": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "bad length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length and chunked": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "bad chunk size": b"POST /sizes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "huge chunk size": b"POST /sizes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n",
    "chunk without end": b"POST /sizes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
}

HTTP2 = {
    "random frames": SETTINGS + bytes(range(256)) * 4,
    "frame too large": SETTINGS + frame(0, 0, 1, length=0xFFFFFF),
    "data on no stream": SETTINGS + frame(0, 1, 1, b"abc"),
    "data on stream 0": SETTINGS + frame(0, 1, 0, b"abc"),
    "headers that are none": SETTINGS + frame(1, 5, 1, b"\xff" * 50),
    "headers on an even stream": SETTINGS + frame(1, 5, 2, b"\x82\x84\x86"),
    "headers without end": SETTINGS + frame(1, 1, 1, b"\x82\x84") + frame(0, 1, 1),
    "continuation of nothing": SETTINGS + frame(9, 4, 1, b"\x82"),
    "bad settings": frame(4, 0, 0, b"\0\x05\0\0\0\x01"),
    "settings of odd length": frame(4, 0, 0, b"\0\x05\0"),
    "push": SETTINGS + frame(5, 4, 1, b"\0\0\0\x02\x82"),
    "window of nothing": SETTINGS + frame(8, 0, 0, b"\0\0\0\0"),
    "window too large": SETTINGS + frame(8, 0, 0, b"\x7f\xff\xff\xff"),
    "ping too short": SETTINGS + frame(6, 0, 0, b"abc"),
}


@pytest.fixture
def bystander(kitchen, dial, version):
    """A client whose request is under way all the while; nothing must happen to it."""
    connection = dial(kitchen, version)
    connection.request("/duplex", "POST", end=False)
    connection.head()
    assert connection.piece() == b"ready"
    yield connection
    connection.data(b"still here", end=True)
    assert connection.rest(Response(200, [])).body == b"still here"
    assert kitchen.running


@pytest.mark.parametrize("what", HTTP1)
def test_malformed_requests_are_a_400_and_the_end(kitchen, dial, bystander, what):
    connection = dial(kitchen)
    connection.send(HTTP1[what])
    response = connection.response()
    assert response.status in (400, 501, 505)
    assert not response.cut
    assert connection.is_closed()


@pytest.mark.parametrize("what", HTTP2)
def test_malformed_frames_end_the_connection(kitchen, bystander, what):
    with socket.create_connection((kitchen.host, kitchen.port), timeout=10) as connection:
        connection.sendall(PREFACE + HTTP2[what])
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
    # GOAWAY, or RST_STREAM where only the stream is at fault; either way nothing is waited for.
    assert any(received[at + 3 : at + 4] in (b"\x07", b"\x03") for at in frames(received)) or received == b""


def frames(data):
    at = 0
    while at + 9 <= len(data):
        yield at
        at += 9 + int.from_bytes(data[at : at + 3], "big")


MALFORMED = {
    "no method": (":method", ""),
    "no path": (":path", ""),
    "path without slash": (":path", "nowhere"),
    "connection": ("connection", "close"),
    "transfer-encoding": ("transfer-encoding", "chunked"),
    "te": ("te", "gzip"),
    "upper case": ("X-Upper", "1"),
    "wrong length": ("content-length", "5"),
    "unknown pseudo header": (":unknown", "1"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_http2_head(kitchen, dial, bystander, what):
    """Refused with a 400, or with an error of the stream or of its connection (RFC 9113 8.1.1)."""
    connection = dial(kitchen, "2")
    outcome = malformed(connection, MALFORMED[what])
    assert outcome in (400, "reset", "closed")


def malformed(connection, field):
    try:
        connection.request("/headers", headers=[field])
        return connection.response().status
    except CutError:
        return "reset"
    except ConnectionError:
        return "closed"


def test_random_bytes(kitchen, bystander):
    chance = random.Random(5)
    starts = [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"POST /sizes HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        PREFACE,
        PREFACE + SETTINGS,
    ]
    for number in range(150):
        with socket.create_connection((kitchen.host, kitchen.port), timeout=10) as connection:
            connection.sendall(starts[number % len(starts)] + chance.randbytes(chance.randrange(400)))
            if number % 3 == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_floods_of_resets_end_only_their_connection(kitchen, dial, bystander):
    """CVE-2023-44487: requests that are reset at once, faster than they are served."""
    connection = dial(kitchen, "2")
    assert flood(connection) < 5000


def flood(connection):
    """How many such requests the server takes before it ends the connection."""
    for number in range(5000):
        try:
            connection.request("/headers")
            connection.reset()
        except OSError:
            return number
    return 4999 if connection.is_closed() else 5000


def test_normal_clients_go_on_beside_rubbish(kitchen, version):
    stop = threading.Event()

    def disturb():
        chance = random.Random(7)
        while not stop.is_set():
            with socket.create_connection((kitchen.host, kitchen.port), timeout=10) as connection:
                connection.sendall(chance.choice([PREFACE + SETTINGS, b"GET / HT", b""]) + chance.randbytes(100))

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        with kitchen.client(http1=version == "1.1", http2=version == "2") as client:
            for number in range(60):
                assert client.post("/sizes", content=b"x" * number).json()[1] == number * ord("x")
    finally:
        stop.set()
        disturbing.join()
    assert "panicked" not in kitchen.stderr()
