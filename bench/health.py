"""Asks a server's health at a fixed rate while one of its handlers holds up the event loop."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable

import grpc
from google.api import httpbody_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.answers import HANDLER, PATIENCE
from bench.fixed_rate import percentile

# In seconds, by `blocking` of apps/web.py, and how much of the run it has to be: next to no time is left to answer at ease.
BLOCKED_FOR = 0.2
BLOCKED_SHARE = 0.9
BLOCKED_ANSWER = b"OK"


def main(port: int, rate: int, seconds: int, how: str) -> dict[str, float]:
    """Asks; returns percentiles in milliseconds."""
    stop = threading.Event()
    blocked: list[float] = []
    wrong: list[str] = []
    blocker = threading.Thread(target=_keep_blocking, args=(port, how, stop, blocked, wrong))
    began = time.monotonic()
    blocker.start()
    try:
        # Until the first call that blocks has come back: from then on there always is one.
        deadline = time.monotonic() + PATIENCE
        while not blocked and not wrong and time.monotonic() < deadline:
            time.sleep(0.01)
        latencies = [] if wrong else _ask(port, rate, seconds)
    finally:
        stop.set()
        blocker.join()
    took = time.monotonic() - began
    if wrong:
        raise SystemExit(f"a handler that blocks should answer {BLOCKED_ANSWER!r}: {wrong[0]}")
    share = sum(blocked) / took
    if not blocked or min(blocked) < BLOCKED_FOR or share < BLOCKED_SHARE:
        raise SystemExit(f"the handler did not block all the time, but for {share:.0%} of it: {blocked}")
    latencies.sort()
    return {
        "p50_ms": percentile(latencies, 0.5),
        "p99_ms": percentile(latencies, 0.99),
        "max_ms": latencies[-1] / 1e6,
        "blocked_share": share,
    }


def _keep_blocking(port: int, how: str, stop: threading.Event, took: list[float], wrong: list[str]) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            HANDLER,
            request_serializer=httpbody_pb2.HttpBody.SerializeToString,
            response_deserializer=httpbody_pb2.HttpBody.FromString,
        )
        metadata = (("x-envoy-original-method", "GET"), ("x-envoy-original-path", f"/{how}"))
        while not stop.is_set() and not wrong:
            began = time.monotonic()
            try:
                answer = call(httpbody_pb2.HttpBody(), metadata=metadata, timeout=PATIENCE)
            except grpc.RpcError as error:
                wrong.append(str(error))
            else:
                took.append(time.monotonic() - began)
                if answer.data != BLOCKED_ANSWER:
                    wrong.append(f"{answer.data[:200]!r}")


def _ask(port: int, rate: int, seconds: int) -> list[int]:
    total = rate * seconds
    latencies: list[int] = []
    wrong: list[str] = []
    answered = threading.Semaphore(0)

    def note(due: int) -> Callable[[grpc.Future], None]:
        def done(call: grpc.Future) -> None:
            latencies.append(time.perf_counter_ns() - due)
            if call.exception() is not None or call.result().status != health_pb2.HealthCheckResponse.SERVING:
                wrong.append(str(call.exception() or call.result()))
            answered.release()

        return done

    # A connection of its own, as whoever watches over a server has.
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        start = time.perf_counter_ns()
        for number in range(total):
            due = start + number * 1_000_000_000 // rate
            time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
            check.future(health_pb2.HealthCheckRequest(), timeout=PATIENCE).add_done_callback(note(due))
        for _ in range(total):
            if not answered.acquire(timeout=PATIENCE):
                raise SystemExit(f"{total - len(latencies)} of {total} health checks had no answer")
    if wrong:
        raise SystemExit(f"{len(wrong)} of {total} health checks failed: {wrong[0]}")
    return latencies


if __name__ == "__main__":
    os.sched_setaffinity(0, set(map(int, sys.argv[1].split(","))))
    print(json.dumps(main(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])))
