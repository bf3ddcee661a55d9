"""Addresses to bind and networks to trust."""

import socket

import pytest
from narthex.address import parse_bind, parse_networks
from narthex.exceptions import BadValueError


@pytest.mark.parametrize("text", ["127.0.0.1:8000", "0.0.0.0:0", "127.0.0.1:65535"])
def test_bind_of_a_number_is_itself(text):
    assert parse_bind(text) == text


@pytest.mark.parametrize(
    ("text", "address"), [("[::1]:8000", "[::1]:8000"), ("[::]:0", "[::]:0"), ("[0:0:0:0:0:0:0:1]:80", "[::1]:80")]
)
def test_bind_of_ipv6(text, address):
    assert parse_bind(text) == address


def test_bind_of_a_name_prefers_ipv4(monkeypatch):
    def resolve(host, port, **_):
        six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))
        four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        return [six, four]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert parse_bind("some.name:80") == "127.0.0.1:80"


def test_bind_keeps_the_scope_of_a_link_local_address(monkeypatch):
    address = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", 80, 0, 2))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address])
    assert parse_bind("[fe80::1%eth0]:80") == "[fe80::1%2]:80"


def test_bind_of_an_unknown_name(monkeypatch):
    def resolve(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(BadValueError, match="cannot be resolved"):
        parse_bind("nosuch.invalid:80")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8000",
        "127.0.0.1",
        ":8000",
        "::1:8000",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "h:٣",
        "[::1]",
    ],
)
def test_bad_bind(text):
    with pytest.raises(BadValueError) as caught:
        parse_bind(text)
    assert "127.0.0.1:8000" in caught.value.hint


def test_bind_of_a_path_points_to_uds():
    with pytest.raises(BadValueError) as caught:
        parse_bind("unix:/run/x.sock")
    assert "--uds" in caught.value.hint


def test_networks():
    text = "10.0.0.0/8, 192.168.1.5,::1,unix,10.0.0.0/8"
    assert parse_networks(text, everyone=False) == ("10.0.0.0/8", "192.168.1.5/32", "::1/128", "unix")


def test_empty_networks_trust_nobody():
    assert parse_networks("", everyone=True) == ()


def test_star_where_everyone_may_be_trusted():
    assert parse_networks("*", everyone=True) == ("*",)
    with pytest.raises(BadValueError, match="everybody"):
        parse_networks("*", everyone=False)


def test_network_with_host_bits_names_both_meanings():
    with pytest.raises(BadValueError) as caught:
        parse_networks("10.1.2.3/8", everyone=True)
    assert "10.0.0.0/8" in caught.value.hint
    assert "10.1.2.3 for" in caught.value.hint


@pytest.mark.parametrize("text", ["localhost", "10.0.0.0/33", "10.0.0", "unix:/x"])
def test_bad_network(text):
    with pytest.raises(BadValueError, match="not an address"):
        parse_networks(text, everyone=True)
