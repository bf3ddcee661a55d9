"""Methods in a process that uses Django; what closes its connections is replaced by a list of threads."""

import json
import threading

import django.db
import grpc
from django.conf import settings

settings.configure()
CLOSED = []


def close_old_connections():
    CLOSED.append(threading.current_thread().name)
    if len(CLOSED) > 100:
        raise RuntimeError("enough")


django.db.close_old_connections = close_old_connections


async def closed(request, context):
    return json.dumps([threading.current_thread().name, CLOSED]).encode()


def closed_sync(request, context):
    return json.dumps([threading.current_thread().name, CLOSED]).encode()


async def fail(request, context):
    raise ValueError("boom")


def fail_sync(request, context):
    raise ValueError("boom")


def register(server):
    functions = {"Closed": closed, "ClosedSync": closed_sync, "Fail": fail, "FailSync": fail_sync}
    handlers = {name: grpc.unary_unary_rpc_method_handler(function) for name, function in functions.items()}
    server.add_registered_method_handlers("test.Calls", handlers)
