"""The command line: ``narthex serve``, ``narthex routes``, ``narthex openapi`` and ``narthex descriptors``.

Only how options are spelled and explained is here. What their values mean is ``narthex.config``'s, so that every bad one is
reported together with all else that keeps the server from starting; argparse itself stops at an option it does not know.
"""

import argparse
import asyncio
import difflib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import narthex
from narthex import config, described, openapi, settings, standard_streams, transcoding, upstream
from narthex.exceptions import Problem, StartupError, report
from narthex.quantity import format_size

if TYPE_CHECKING:
    from narthex.grpc.descriptors import Collected

_DEFAULT: Final = config.Config()
_INTERRUPTED: Final = 130

# What other servers call what is here by another name.
_ELSEWHERE: Final = {
    **dict.fromkeys(("--host", "--port", "-p", "-b"), "--bind HOST:PORT"),
    **dict.fromkeys(("--ssl-certfile", "--ssl-certificate", "--certfile"), "--tls-cert"),
    **dict.fromkeys(("--ssl-keyfile", "--keyfile"), "--tls-key"),
    **dict.fromkeys(("--ssl-ca-certs", "--ca-certs", "--ssl-ca"), "--tls-client-ca"),
    **dict.fromkeys(("--timeout-keep-alive", "--keep-alive"), "--keep-alive-timeout"),
    **dict.fromkeys(("--chdir", "--working-dir"), "--app-dir"),
    "--timeout-graceful-shutdown": "--graceful-timeout",
}

# What other servers have and this one has not, with what to do instead.
_NOT_THERE: Final = {
    **dict.fromkeys(("--workers", "-w"), "one process serves; run one a port or socket behind a proxy for more"),
    **dict.fromkeys(("--reload", "--reload-dir"), "nothing is reloaded; a tool that watches files can restart it"),
}

_EPILOG: Final = """\
sizes:       bytes or with a unit: 1048576, 512k, 16MiB, 1g
durations:   seconds or with a unit: 30, 2.5, 500ms, 2m, 1h
networks:    addresses or CIDRs, separated by commas, 'unix' for peers on a UNIX socket
environment: NARTHEX_GRACEFUL_TIMEOUT=10 is --graceful-timeout 10, and so on; several values are separated by spaces

exit codes:
  0          stopped by SIGTERM or Ctrl-C; what was in flight has ended or was aborted at the timeout
  1          a fault of Narthex itself
  2          a wrong command line, or problems found at start-up: all are listed, nothing was served
  3          the application's lifespan said that its startup failed
  130, 143   ended by Ctrl-C or SIGTERM before start-up was complete, or at once by a second one
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    standard_streams.open_missing()
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    command: Callable[[dict[str, object], settings.Found], int] = given.pop("command")
    known: dict[str, settings.Kind] = given.pop("known")
    try:
        return command(given, settings.fill(given, known, os.environ))
    except StartupError as error:
        sys.stderr.write(report(error.problems))
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED


def _serve(given: dict[str, object], found: settings.Found) -> int:
    options, problems = config.parse(given, found)
    # Not at the top: help and version must not wait for the native half.
    from narthex import server

    return server.serve(options, problems)


def _descriptors(given: dict[str, object], found: settings.Found) -> int:
    output = given.pop("output")
    options, problems = config.parse(given, found, complete=False)
    if output is None and sys.stdout.isatty():
        problems.append(Problem("output", "is binary and not for a terminal", "Redirect it, or use --output FILE."))
    _, collected = _collect(options, problems)

    from narthex import _native, logs
    from narthex.grpc import descriptors

    for service in collected.missing:
        # As for `serve`, which has it as gRPC alone; Envoy's transcoder passes that through.
        logs.LOGGER.warning(
            "%s is not in the set: its descriptor is not in Python's pool (is its _pb2 module imported?)", service
        )
    complete = descriptors.merge(collected.file_descriptor_set, _native.builtin_descriptors())
    if output is None:
        sys.stdout.buffer.write(complete)
        sys.stdout.buffer.flush()
        return 0
    path = Path(str(output))
    try:
        path.write_bytes(complete)
    except OSError as error:
        problem = Problem(f"--output {output}", f"cannot be written: {error.strerror}", "Choose another file.")
        raise StartupError([problem]) from error
    return 0


def _routes(given: dict[str, object], found: settings.Found) -> int:
    options, problems = config.parse(given, found, complete=False)
    services, collected = _collect(options, problems)

    from narthex import _native

    rows, faults = _native.routes(options.config, services, collected.file_descriptor_set)
    if faults:
        raise StartupError(Problem(*fault) for fault in faults)
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for method, template, place in rows:
        sys.stdout.write(f"{method:{widths[0]}}  {template:{widths[1]}}  {place}\n")
    return 0


def _openapi(given: dict[str, object], found: settings.Found) -> int:
    options, problems = config.parse(given, found, complete=False)
    services, collected = _collect(options, problems)

    from narthex import _native

    document, faults = _native.openapi(options.config, services, collected.file_descriptor_set)
    if faults:
        raise StartupError(Problem(*fault) for fault in faults)
    sys.stdout.write(document + "\n")
    return 0


def _collect(options: config.Options, problems: list[Problem]) -> "tuple[list[str], Collected]":
    """Loads what would be served: the names of its services, here and elsewhere, and their descriptors.

    Problems end the command.
    """
    from narthex import _native, logs, server, startup
    from narthex.grpc import descriptors

    logs.configure(options.log_level)
    _native.init_logging(options.log_level, logs.use_color())
    with asyncio.Runner(loop_factory=server.loop_factory(options.loop)) as runner:
        asyncio.set_event_loop(runner.get_loop())
        loaded = startup.load(options, runner)
        asyncio.set_event_loop(None)
    registered = list(loaded.registrar.services)
    collected = descriptors.collect(registered)
    problems += loaded.problems
    if problems:
        raise StartupError(problems)
    if options.config.upstreams.targets or options.config.described.is_something:
        told, joined, faults = _native.elsewhere(options.config, registered, collected.file_descriptor_set)
        if faults:
            raise StartupError(Problem(*fault) for fault in faults)
        missing = tuple(service for service in collected.missing if service not in told)
        return list(dict.fromkeys((*registered, *told))), descriptors.Collected(joined, missing)
    return registered, collected


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


class _Command(argparse.ArgumentParser):
    """Refuses what it does not know itself: argparse lets the parser above it do so, which shows that one's usage."""

    def parse_known_args(self, *arguments: Any, **named: Any) -> Any:
        known, unknown = super().parse_known_args(*arguments, **named)
        if unknown:
            self.error("unrecognized arguments: " + " ".join(unknown) + self._meant(unknown))
        return known, unknown

    def _meant(self, unknown: Sequence[str]) -> str:
        """What the first of them that is like an option may have been meant to be."""
        for option in (argument.partition("=")[0] for argument in unknown if argument.startswith("-")):
            if option in _NOT_THERE:
                return f"; {_NOT_THERE[option]}"
            close = difflib.get_close_matches(option, self._option_string_actions, n=1)
            elsewhere = _ELSEWHERE.get(option, "")
            meant = elsewhere if elsewhere.partition(" ")[0] in self._option_string_actions else next(iter(close), None)
            if meant is not None:
                return f"; did you mean {meant}?"
        return ""

    def kinds(self) -> dict[str, settings.Kind]:
        """Its options, as they can be set elsewhere."""
        return settings.kinds(self._actions)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Prints the version; argparse's own action would need to know it for every command."""
        sys.stdout.write(f"narthex {narthex.__version__}\n")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="narthex",
        description="One server, one port: an ASGI or WSGI application, gRPC services and their JSON API.",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Command)
    serve = commands.add_parser(
        "serve",
        usage="narthex serve [OPTIONS] [APP]",
        help="serve an ASGI or WSGI application, gRPC services, or both",
        description="Serves an ASGI or WSGI application, gRPC services with their JSON API, or both, on one port. The services "
        "may be elsewhere (--upstream).",
        epilog=_EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    serve.set_defaults(command=_serve)
    for add in (
        _add_what,
        upstream.add_options,
        described.add_options,
        _add_where,
        _add_translation,
        _add_exposure,
        transcoding.add_options,
        openapi.add_serving_options,
        _add_limits,
        _add_logging,
    ):
        add(serve)
    # A file for it is one for the other commands too, which look at what concerns them.
    parser.set_defaults(known=serve.kinds())
    routes = commands.add_parser(
        "routes",
        usage="narthex routes [OPTIONS] [APP]",
        help="list the HTTP routes of the gRPC services",
        description="Lists HTTP method, path template and gRPC method of each route, as serve would have them.\n"
        "APP is imported first, as serve does it; Django needs that. Upstreams are asked for their descriptors.",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    routes.set_defaults(command=_routes)
    _add_routed(routes)
    document = commands.add_parser(
        "openapi",
        usage="narthex openapi [OPTIONS] [APP]",
        help="print the OpenAPI 3.1 document of the JSON API",
        description="Prints the document that serve --openapi would serve: one operation a route.\n"
        "APP is imported first, as serve does it; Django needs that. Upstreams are asked for their descriptors.",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    document.set_defaults(command=_openapi)
    _add_routed(document)
    openapi.add_options(document)
    descriptors = commands.add_parser(
        "descriptors",
        usage="narthex descriptors [OPTIONS] [APP]",
        help="write the descriptors of the services, as Envoy's gRPC-JSON transcoder needs them",
        description="Writes a FileDescriptorSet with imports: the services that the callables register, those of files, and\n"
        "Narthex's own.\n"
        "APP is imported first, as serve does it; Django needs that. Upstreams are asked for theirs.",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    descriptors.set_defaults(command=_descriptors)
    _add_what(descriptors)
    upstream.add_options(descriptors)
    described.add_options(descriptors)
    descriptors.add_argument("-o", "--output", metavar="FILE", help="write to this file [default: standard output]")
    return parser


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app", metavar="APP", nargs="?", help="the ASGI or WSGI application, as MODULE:ATTRIBUTE")
    what = parser.add_argument_group("what to serve")
    what.add_argument(
        "--config",
        metavar="FILE",
        help="take what is given neither here nor in the environment from this TOML file",
    )
    what.add_argument(
        "--grpc",
        action="append",
        metavar="MODULE:CALLABLE",
        help="a callable that registers gRPC services on the server it is given; may be a coroutine function; may be repeated",
    )
    what.add_argument(
        "--app-dir",
        metavar="DIR",
        help="put this folder on the import path, before the working folder [default: .]",
    )
    what.add_argument(
        "--factory",
        action=argparse.BooleanOptionalAction,
        help="APP is a function without arguments that returns the application",
    )
    what.add_argument(
        "--interface",
        metavar="{" + ",".join(config.INTERFACES) + "}",
        help="how APP is called; WSGI applications are, on threads [default: auto, by the arguments that it takes]",
    )
    what.add_argument("--loop", metavar="{uvloop,asyncio}", help="the event loop [default: uvloop]")


def _add_where(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("where to serve it")
    where.add_argument(
        "--bind",
        action="append",
        metavar="HOST:PORT",
        help="listen here; port 0 takes a free one; may be repeated "
        f"[default: {config.DEFAULT_BIND}, or nowhere if there is --uds]",
    )
    where.add_argument(
        "--uds",
        metavar="PATH",
        help="listen on this UNIX socket; grpcio's clients need the option ('grpc.default_authority', 'localhost')",
    )
    where.add_argument("--tls-cert", metavar="FILE", help="serve --bind by TLS with this certificate chain, as PEM")
    where.add_argument("--tls-key", metavar="FILE", help="its private key, as PEM [default: it is in the certificate's file]")
    where.add_argument(
        "--tls-client-ca", metavar="FILE", help="ask clients for certificates that these authorities have signed, as PEM"
    )
    where.add_argument(
        "--tls-client-auth",
        metavar="{" + ",".join(config.CLIENT_AUTH) + "}",
        help="whether clients without a certificate are served then [default: required]",
    )
    where.add_argument(
        "--root-path",
        metavar="PATH",
        help="where a proxy has put the application: ASGI's root_path, WSGI's SCRIPT_NAME [default: none]",
    )
    where.add_argument(
        "--forwarded-allow-ips",
        metavar="NETWORKS",
        help="believe X-Forwarded-For, -Proto and -Host of these peers, '*' for all "
        f"[default: {','.join(_DEFAULT.forwarded_allow_ips)}]",
    )
    where.add_argument(
        "--ready-fd",
        metavar="N",
        help="write one line with the bound addresses to this descriptor once requests are served, then close it if above 2",
    )


def _add_routed(parser: argparse.ArgumentParser) -> None:
    """The options of what has routes, for commands that only tell of them."""
    for add in (_add_what, upstream.add_options, described.add_options, transcoding.add_options, _add_exposure):
        add(parser)


def _add_exposure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument_group("what is public").add_argument(
        "--expose",
        action="append",
        metavar="PROTOCOL=SELECTOR,...",
        help="what is public on grpc, grpc-web, connect or json: pkg.Service, pkg.Service/Method, pkg.* or nothing; "
        "may be repeated [default: everything that is registered]",
    )


def _add_translation(parser: argparse.ArgumentParser) -> None:
    translation = parser.add_argument_group("gRPC and JSON")
    translation.add_argument(
        "--reflection",
        action=argparse.BooleanOptionalAction,
        help="answer gRPC reflection [default: on]",
    )
    translation.add_argument(
        "--api-prefix",
        action="append",
        metavar="PATH",
        help="an unknown path below this one is a JSON 404, not the application's; may be repeated",
    )
    translation.add_argument(
        "--cors-origin",
        action="append",
        metavar="ORIGIN",
        help="let pages of this origin call the services and their JSON API; '*' for all, without credentials; may be repeated "
        "[default: none]",
    )
    translation.add_argument(
        "--http-over-grpc",
        action=argparse.BooleanOptionalAction,
        help="let trusted peers call the application through narthex.asgi.v1.AsgiService; responses are held whole, "
        "at most 64MiB each",
    )
    translation.add_argument(
        "--http-over-grpc-from",
        action="append",
        metavar="NETWORKS",
        help=f"the peers that may; may be repeated [default: {','.join(_DEFAULT.http_over_grpc_from)}]",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-body",
        metavar="SIZE",
        help="the largest body of a request, else 413; a JSON body becomes a gRPC message, so the smaller of this and "
        "--grpc-max-message decides [default: 16MiB for JSON and HTTP over gRPC, unlimited for the application]",
    )
    limits.add_argument(
        "--grpc-max-message",
        metavar="SIZE",
        help="the largest gRPC message, decompressed or made from JSON, else RESOURCE_EXHAUSTED, which is 429 in JSON "
        f"[default: {format_size(_DEFAULT.grpc_max_message)}]",
    )
    for name, default, text in (
        ("--header-timeout", _DEFAULT.header_timeout, "how long the head of a request may take"),
        ("--body-timeout", _DEFAULT.body_timeout, "how long the body of a request may pause"),
        ("--keep-alive-timeout", _DEFAULT.keep_alive_timeout, "how long a connection may be idle between requests"),
        (
            "--graceful-timeout",
            _DEFAULT.graceful_timeout,
            "how long what is in flight may go on after SIGTERM or Ctrl-C",
        ),
    ):
        limits.add_argument(name, metavar="DURATION", help=f"{text} [default: {default:g}s]")
    limits.add_argument(
        "--threads",
        metavar="N",
        help="how many synchronous handlers and requests to a WSGI application run at once; up to 1,024 more wait "
        "[default: processors and 4, 32 at most]",
    )
    limits.add_argument(
        "--application-close-timeout",
        metavar="DURATION",
        help="how long an ASGI application may go on after the client left before the response was complete; it is told by "
        "http.disconnect at once, and cancelled then [default: it is never cancelled]",
    )


def _add_logging(parser: argparse.ArgumentParser) -> None:
    logging = parser.add_argument_group("logging")
    logging.add_argument("--log-level", metavar="{" + ",".join(config.LOG_LEVELS) + "}", help="what to log [default: info]")
    logging.add_argument(
        "--access-log",
        action=argparse.BooleanOptionalAction,
        help="one line for each request [default: on]",
    )
