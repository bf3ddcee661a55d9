"""What a ``--grpc`` callable gets in the place of a ``grpc.aio.Server``.

Generated ``add_XServicer_to_server(servicer, server)`` works on it as it is. It only collects: the native half looks methods
up in the mapping that ``methods`` gives. What a server does beside registering (ports, starting, stopping) is refused with
words on how Narthex does it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Final, NoReturn, Protocol, cast

from narthex.exceptions import NarthexError, Problem
from narthex.logs import LOGGER


class MethodHandler(Protocol):
    """``grpc.RpcMethodHandler``, as far as start-up looks at it."""

    request_streaming: bool
    response_streaming: bool


class RegistrationError(NarthexError):
    """A call of the registrar that cannot be right; raised in the user's callable."""


class NotAHandlerError(RegistrationError, AttributeError):
    """What was registered is no handler; an ``AttributeError``, as grpc's servers say it."""


@dataclass(slots=True)
class _Registered:
    handler: MethodHandler
    by: str
    """The ``--grpc`` target that registered it."""


class _LateHandlers:
    """The generic handlers that a server was given after its start, as one."""

    def __init__(self) -> None:
        self._handlers: tuple[Any, ...] = ()

    def add(self, handlers: Iterable[Any]) -> None:
        self._handlers = (*self._handlers, *handlers)

    def service(self, handler_call_details: Any) -> MethodHandler | None:
        """The first that knows the method; None if none does."""
        found = (handler.service(handler_call_details) for handler in self._handlers)
        return next((handler for handler in found if handler is not None), None)


_HANDLER_ATTRIBUTES: Final = ("request_streaming", "response_streaming", "request_deserializer", "response_serializer")


class Registrar:
    """Collects method handlers, in the words of ``grpc.aio.Server``.

    As in grpc, a handler given by ``add_registered_method_handlers`` goes before one given by ``add_generic_rpc_handlers``
    (generated code gives the same handlers to both). Two different handlers given the same way are a problem for
    ``narthex serve``. A server object does as grpc does, which silently drops one: the last one counts of the former way, the
    first one of the latter.
    """

    def __init__(self, *, strict: bool = True) -> None:
        self._strict = strict
        self._registered: dict[str, _Registered] = {}
        self._generic: dict[str, _Registered] = {}
        self._twice: dict[tuple[str, str, str], list[str]] = {}
        self._services: dict[str, None] = {}
        self._dynamic: list[Any] = []
        self._late = _LateHandlers()
        self._interceptors: list[Any] = []
        self._by = ""
        self._sealed = False

    @property
    def methods(self) -> dict[str, MethodHandler]:
        """The handler of each path ``/pkg.Service/Method``."""
        both = {**self._generic, **self._registered}
        return {path: registered.handler for path, registered in both.items()}

    @property
    def generic_handlers(self) -> tuple[Any, ...]:
        """Handlers that can only be asked, path by path: they have no list of methods, or may come later."""
        return tuple(self._dynamic) if self._strict else (*self._dynamic, self._late)

    @property
    def services(self) -> tuple[str, ...]:
        """Full names of the services, in the order of their registration."""
        return tuple(self._services)

    @property
    def interceptors(self) -> tuple[Any, ...]:
        """The interceptors of all calls: asynchronous ones, which may await the others, then synchronous ones."""
        is_async = {id(each): iscoroutinefunction(each.intercept_service) for each in self._interceptors}
        return tuple(sorted(self._interceptors, key=lambda each: not is_async[id(each)]))

    def problems(self) -> list[Problem]:
        """Methods that were registered twice, one problem for each service."""
        return [
            Problem(
                f"--grpc {second}",
                f"registers {service} a second time ({', '.join(sorted(methods))})",
                f"It was registered by {first} before. Register each service once."
                if first != second
                else "Register each service once.",
            )
            for (service, first, second), methods in self._twice.items()
        ]

    def register_for(self, target: str) -> None:
        """What comes next is registered by this ``--grpc`` target."""
        register_with_grpc(Registrar, aio=True)
        self._by = target

    def seal(self) -> None:
        """Ends registration: the registry does not change once the server is made."""
        self._sealed = True

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[Any]) -> None:
        """Registers ``grpc.GenericRpcHandler`` objects.

        A server that is started takes them still, as grpc's do, for gRPC alone: what is described by then stays.
        """
        handlers = list(_sequence(generic_rpc_handlers))
        for handler in handlers:
            if not callable(getattr(handler, "service", None)):
                raise NotAHandlerError(f"{handler!r} is not a grpc.GenericRpcHandler: it has no method 'service'")
        if self._sealed and not self._strict:
            self._late.add(handlers)
            return
        self._check_open()
        for handler in handlers:
            name: Any = handler.service_name() if callable(getattr(handler, "service_name", None)) else None
            if isinstance(name, str):
                self._services.setdefault(name)
            # What grpc.method_handlers_generic_handler returns; grpc has no public way to list its methods.
            listed: Any = getattr(handler, "_method_handlers", None)
            if isinstance(listed, Mapping):
                for path, method in cast("Mapping[str, MethodHandler]", listed).items():
                    self._add(self._generic, path, method)
            else:
                self._dynamic.append(handler)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, MethodHandler]) -> None:
        """Registers the handlers of one service by the methods' names; a server that is started warns, and goes on without."""
        if self._sealed and not self._strict:
            LOGGER.warning("Cannot register method handlers of %s: the server is started", service_name)
            return
        self._check_open()
        self._services.setdefault(service_name)
        for name, method in method_handlers.items():
            self._add(self._registered, f"/{service_name}/{name}", method)

    def add_interceptors(self, *interceptors: Any) -> None:
        """Has ``grpc.aio.ServerInterceptor`` and ``grpc.ServerInterceptor`` objects see every call, the first of them first.

        grpc's servers are given theirs when they are made. Synchronous ones see a call after all asynchronous ones.
        """
        self._check_open()
        for interceptor in interceptors:
            if not callable(getattr(interceptor, "intercept_service", None)):
                raise RegistrationError(f"{interceptor!r} is no interceptor: it has no method 'intercept_service'")
            self._interceptors.append(interceptor)

    def add_insecure_port(self, address: str) -> NoReturn:
        """Refused: the port is Narthex's."""
        self._refuse("add_insecure_port", f"Narthex binds the port: use --bind {address}")

    def add_secure_port(self, address: str, server_credentials: object) -> NoReturn:
        """Refused: the port is Narthex's."""
        self._refuse("add_secure_port", f"Narthex binds the port: use --bind {address}, and end TLS before it")

    def start(self) -> NoReturn:
        """Refused: serving starts when every callable has returned."""
        self._refuse("start", "Narthex starts serving when the --grpc callables have returned: leave the call out")

    def stop(self, grace: float | None) -> NoReturn:
        """Refused: SIGTERM and Ctrl-C stop the server."""
        self._refuse("stop", "Narthex stops on SIGTERM and Ctrl-C: use --graceful-timeout for the time of grace")

    def wait_for_termination(self, timeout: float | None = None) -> NoReturn:
        """Refused: the command itself waits."""
        self._refuse("wait_for_termination", "the narthex command itself waits: leave the call out")

    def _add(self, known: dict[str, _Registered], path: str, handler: MethodHandler) -> None:
        if not all(hasattr(handler, attribute) for attribute in _HANDLER_ATTRIBUTES):
            raise NotAHandlerError(f"{path}: {handler!r} is not a grpc.RpcMethodHandler")
        if not self._strict and known is self._registered:
            known[path] = _Registered(handler, self._by)
        before = known.setdefault(path, _Registered(handler, self._by))
        if self._strict and before.handler is not handler:
            service = _service_of(path)
            methods = self._twice.setdefault((service, before.by, self._by), [])
            method = path.removeprefix(f"/{service}/")
            if method not in methods:
                methods.append(method)

    def _check_open(self) -> None:
        if self._sealed:
            raise RegistrationError("services can only be registered before the --grpc callable has returned")

    def _refuse(self, method: str, instead: str) -> NoReturn:
        raise RegistrationError(f"server.{method}() is not for a --grpc callable: {instead}")


def _service_of(path: str) -> str:
    return path.removeprefix("/").rpartition("/")[0]


def _sequence(handlers: Any) -> Iterable[Any]:
    if callable(getattr(handlers, "service", None)):
        raise RegistrationError("add_generic_rpc_handlers takes a sequence of handlers, not one handler")
    return handlers


def register_with_grpc(kind: type, *, aio: bool) -> None:
    """Makes objects of this type instances of ``grpc.aio.Server`` or ``grpc.Server``, as ``enable_server_reflection`` asks.

    Not done before there is something to register: importing grpc takes longer than all else at start-up.
    """
    try:
        import grpc
        import grpc.aio
    except ImportError:
        return
    cast("Any", grpc.aio.Server if aio else grpc.Server).register(kind)
