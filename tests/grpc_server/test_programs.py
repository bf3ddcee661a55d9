"""Whole programs with server objects, and how they end."""

import signal
import subprocess
import sys
import textwrap

import pytest
from grpc_objects import PATIENCE, call

CLASSIC = """
from concurrent.futures import ThreadPoolExecutor
from narthex import grpc

def handlers():
    echo = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    return [grpc.method_handlers_generic_handler("test.Echo", {"Echo": echo})]

server = grpc.server(ThreadPoolExecutor(2), handlers())
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
try:
    server.start()
    server.wait_for_termination()
except KeyboardInterrupt:
    server.stop(5).wait()
    print("stopped")
"""

ASYNCHRONOUS = """
import asyncio
from narthex import grpc

async def echo(request, context):
    return request

async def main():
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server = grpc.aio.server(handlers=[grpc.method_handlers_generic_handler("test.Echo", {"Echo": handler})])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    try:
        await server.wait_for_termination()
    finally:
        await server.stop(5)
        print("stopped")

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""


@pytest.mark.parametrize("source", [CLASSIC, ASYNCHRONOUS], ids=["classic", "asynchronous"])
def test_control_c_ends_a_program_in_its_own_way(tmp_path, source):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(source))
    running = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert running.stdout is not None
        port = int(running.stdout.readline())
        # Clients may come before the start: they wait.
        assert call(f"127.0.0.1:{port}") == b"hello"
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
        running.wait()
    assert (running.returncode, rest, errors) == (0, "stopped\n", "")
