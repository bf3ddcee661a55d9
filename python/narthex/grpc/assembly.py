"""What a server object is put together from before it is started, whichever of grpc's two servers it stands for."""

import dataclasses
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from narthex import logs
from narthex.config import Config
from narthex.exceptions import Problem, StartupError
from narthex.grpc import channel_arguments, descriptors, health, targets
from narthex.grpc.credentials import tls_of
from narthex.grpc.registrar import Registrar
from narthex.logs import LOGGER

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from narthex._native import Server

ChannelArguments = Iterable[tuple[str, Any]]
Compression = Any
"""An element of ``grpc.Compression`` or None."""


class Assembly:
    """The parts of one server: ports and services are added until it is built."""

    def __init__(
        self,
        *,
        executor: Executor | None,
        handlers: Sequence[Any],
        interceptors: Sequence[Any],
        options: ChannelArguments,
        maximum_concurrent_rpcs: int | None,
        compression: Compression,
        classic: bool = False,
    ) -> None:
        from narthex import _native

        if maximum_concurrent_rpcs is not None and maximum_concurrent_rpcs <= 0:
            raise ValueError("maximum_concurrent_rpcs should be a positive integer")
        for interceptor in interceptors:
            if not callable(getattr(interceptor, "intercept_service", None)):
                raise ValueError(f"{interceptor!r} is not a ServerInterceptor: it has no method 'intercept_service'")
        # The native half's own warnings and errors; whoever has set them up before has decided.
        _native.init_logging("warning", logs.use_color())
        self.registrar = Registrar(strict=False)
        self.registrar.add_generic_rpc_handlers(handlers)
        self._arguments = channel_arguments.read(options)
        self._sockets = _native.Sockets()
        self._executor = executor
        self._interceptors = tuple(interceptors)
        self._maximum_concurrent_rpcs = maximum_concurrent_rpcs
        self._compression = compression
        # Whose words errors have: those of grpc.server, or of grpc.aio.server.
        self._classic = classic

    def add_port(self, address: str, credentials: Any) -> int:
        """Claims an address; 1 for a UNIX socket, as in grpc."""
        return targets.bind(self._sockets, address, tls_of(credentials), reuse_port=self._arguments.reuse_port)

    def build(self, loop: "AbstractEventLoop") -> "Server":
        """The native server on this loop, checked and ready to be started.

        Raises:
            StartupError: with all that is wrong.
        """
        from narthex._native import Server

        self.registrar.seal()
        services = self.registrar.services
        collected = descriptors.collect(services)
        for service in collected.missing:
            LOGGER.info(
                "%s has no descriptor in Python's pool: it is served as gRPC alone, without JSON and reflection", service
            )
        server = Server(
            self._config(),
            loop,
            None,
            self.registrar.methods,
            self.registrar.generic_handlers,
            services,
            collected.file_descriptor_set,
            sockets=self._sockets,
            interceptors=self._interceptors,
            executor=self._executor,
            maximum_concurrent_rpcs=self._maximum_concurrent_rpcs,
            max_send_message=self._arguments.max_send_message,
            compression=self._compression if self._arguments.compression is None else self._arguments.compression,
            encodings=self._arguments.compressions,
            classic=self._classic,
        )
        problems = [Problem(*problem) for problem in server.prepare()]
        if problems:
            server.close()
            raise StartupError(problems)
        health.follow(server)
        return server

    def close(self) -> None:
        """Gives the ports back that no server has taken over."""
        self._sockets.close()

    def _config(self) -> Config:
        # Where a program that has grpc's defaults could come to a stop, they are grpc's.
        defaults = Config(reflection=False, access_log=False, h2_max_streams=(1 << 31) - 1, h2_idle_timeout=None)
        return dataclasses.replace(defaults, **self._arguments.config)
