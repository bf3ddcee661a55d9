"""The addresses that ``add_insecure_port`` takes, as grpc's does."""

import asyncio
import socket

import narthex.grpc.aio
import pytest
from grpc_objects import call, echo_handlers


async def echo(request, context):
    return request


def make(**options):
    return narthex.grpc.aio.server(handlers=echo_handlers(Echo=echo), **options)


def reach(run, address, targets):
    async def main():
        server = make()
        port = server.add_insecure_port(address)
        await server.start()
        for target in targets:
            assert await asyncio.to_thread(call, target.format(port=port)) == b"hello", target
        await server.stop(None)

    run(main())


@pytest.mark.parametrize(
    ("address", "targets"),
    [
        ("127.0.0.1:0", ["127.0.0.1:{port}"]),
        ("0.0.0.0:0", ["127.0.0.1:{port}"]),
        ("ipv4:127.0.0.1:0", ["127.0.0.1:{port}"]),
        ("dns:///127.0.0.1:0", ["127.0.0.1:{port}"]),
        ("127.0.0.1", ["127.0.0.1:{port}"]),
        ("localhost:0", ["localhost:{port}", "127.0.0.1:{port}"]),
        ("[::]:0", ["127.0.0.1:{port}"]),
    ],
)
def test_addresses(run, address, targets):
    reach(run, address, targets)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("address", ["[::]:0", "[::1]:0", "ipv6:[::1]:0"])
def test_ipv6_addresses(run, address):
    reach(run, address, ["[::1]:{port}"])


@pytest.mark.parametrize("form", ["unix:{path}", "unix://{path}"])
def test_unix_sockets(run, tmp_path, form):
    path = tmp_path / "s"

    async def main():
        server = make()
        assert server.add_insecure_port(form.format(path=path)) == 1
        await server.start()
        assert await asyncio.to_thread(call, f"unix:{path}") == b"hello"
        await server.stop(None)
        assert not path.exists()

    run(main())


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.0.2.1:0", "no network interface of this machine has this address"),
        ("unix:/no/such/folder/s", "the folder does not exist"),
        ("unix-abstract:name", "abstract UNIX sockets are not supported"),
        ("127.0.0.1:http", "is no port"),
        ("127.0.0.1:65536", "is no port"),
        ("no-such-host.invalid:0", "cannot be resolved"),
        ("ipv6:127.0.0.1:0", "127.0.0.1 is no address of the family ipv6"),
    ],
)
def test_an_address_that_cannot_be_had_is_a_RuntimeError(address, reason):
    with pytest.raises(RuntimeError, match="Failed to bind to address ") as raised:
        make().add_insecure_port(address)
    assert reason in str(raised.value)


def test_a_port_is_shared_unless_the_program_says_otherwise():
    first = make()
    port = first.add_insecure_port("127.0.0.1:0")
    assert make().add_insecure_port(f"127.0.0.1:{port}") == port
    alone = make(options=[("grpc.so_reuseport", 0)])
    with pytest.raises(RuntimeError, match="is taken by another process"):
        alone.add_insecure_port(f"127.0.0.1:{port}")
    assert alone.add_insecure_port("127.0.0.1:0") != 0


def test_several_ports_of_one_server(run):
    async def main():
        server = make()
        ports = [server.add_insecure_port("127.0.0.1:0") for _ in range(3)]
        assert len(set(ports)) == 3
        await server.start()
        for port in ports:
            assert await asyncio.to_thread(call, f"127.0.0.1:{port}") == b"hello"
        await server.stop(None)

    run(main())
