"""The command line itself."""

import re

import pytest

OPTIONS = [
    *("--app-dir", "--grpc", "--bind", "--uds", "--factory", "--config", "--interface", "--root-path", "--loop"),
    *("--forwarded-allow-ips", "--reflection"),
    *("--no-reflection", "--log-level", "--access-log", "--no-access-log", "--graceful-timeout", "--max-body"),
    *("--grpc-max-message", "--header-timeout", "--body-timeout", "--keep-alive-timeout", "--application-close-timeout"),
    *("--api-prefix", "--expose", "--cors-origin", "--http-over-grpc", "--http-over-grpc-from", "--ready-fd", "--help"),
    *("--tls-cert", "--tls-key", "--tls-client-ca", "--tls-client-auth"),
    *("--transcode-compat", "--auto-mapping", "--no-auto-mapping", "--service-config", "--json-stream", "--unknown-query"),
    *("--ignored-query", "--unescape", "--query-plus-is-space", "--unregistered-verbs", "--refuse-collisions"),
    *("--fill-update-mask", "--json-proto-names", "--json-enums-as-ints", "--json-always-print", "--json-ignore-unknown"),
    *("--no-json-ignore-unknown", "--json-compression", "--no-json-compression", "--json-whitespace"),
    *("--openapi", "--openapi-base", "--openapi-own-paths", "--openapi-page"),
    *("--json-any-case-enums", "--threads"),
    *("--upstream", "--upstream-reflection", "--no-upstream-reflection", "--upstream-tls-ca", "--upstream-authority"),
    *("--upstream-connect-timeout", "--upstream-ping-interval", "--upstream-tls-cert", "--upstream-tls-key"),
    *("--descriptor-set", "--proto", "--proto-path"),
]
# For what the environment or a file has set.
OPTIONS += [
    *("--no-factory", "--no-http-over-grpc", "--no-openapi-own-paths", "--no-query-plus-is-space", "--no-unregistered-verbs"),
    *("--no-refuse-collisions", "--no-fill-update-mask", "--no-json-proto-names", "--no-json-enums-as-ints"),
    *("--no-json-always-print", "--no-json-whitespace", "--no-json-any-case-enums"),
]


def test_help_of_serve_has_all_options_defaults_and_exit_codes(narthex):
    ended = narthex("serve", "--help")
    assert ended.returncode == 0
    assert set(re.findall(r"(?<![\w-])--[a-z-]+", ended.stdout)) == set(OPTIONS)
    text = " ".join(ended.stdout.split())
    assert "[default: 127.0.0.1:8000" in text
    assert "exit codes:" in text


def test_help_names_the_commands(narthex):
    ended = narthex("--help")
    assert ended.returncode == 0
    assert "serve" in ended.stdout
    assert "descriptors" in ended.stdout


def test_version(narthex):
    ended = narthex("--version")
    assert ended.returncode == 0
    assert re.fullmatch(r"narthex \S+\n", ended.stdout)


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (("serve", "plain:app", "--reload"), "usage: narthex serve [OPTIONS] [APP]"),
        (("serve", "plain:app", "second:app"), "usage: narthex serve [OPTIONS] [APP]"),
        (("serve", "plain:app", "--bind"), "usage: narthex serve [OPTIONS] [APP]"),
        (("descriptors", "--bind", "x"), "usage: narthex descriptors [OPTIONS] [APP]"),
        (("--reload", "serve", "plain:app"), "usage: narthex [-h] [--version] COMMAND ..."),
    ],
)
def test_usage_is_that_of_the_command(narthex, arguments, usage):
    ended = narthex(*arguments)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0] == usage


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("--acess-log", "--access-log"),
        ("--tls_cert=x", "--tls-cert"),
        ("--graceful-timout", "--graceful-timeout"),
        ("--port=80", "--bind HOST:PORT"),
    ],
)
def test_a_misspelt_option(narthex, argument, meant):
    ended = narthex("serve", "plain:app", argument)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith(f"unrecognized arguments: {argument}; did you mean {meant}?")


@pytest.mark.parametrize(("argument", "said"), [("--workers=4", "one process serves"), ("--reload", "nothing is reloaded")])
def test_what_other_servers_have(narthex, argument, said):
    ended = narthex("serve", "plain:app", argument)
    assert ended.returncode == 2
    assert f"unrecognized arguments: {argument}; {said}" in ended.stderr


def test_only_what_the_command_has_is_suggested(narthex):
    ended = narthex("routes", "plain:app", "--port=80")
    assert ended.returncode == 2
    assert "unrecognized arguments: --port=80" in ended.stderr
    assert "--bind" not in ended.stderr


def test_a_limit_that_threads_cannot_have(narthex, apps):
    ended = narthex("serve", "wsgi_kitchen:app", "--app-dir", str(apps), "--application-close-timeout", "3")
    assert ended.returncode == 2
    assert "--application-close-timeout: is for ASGI applications" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "plain:app", "--reload"),
        ("serve", "plain:app", "--workers", "2"),
        ("serve", "plain:app", "--access"),
        ("serve", "plain:app", "second:app"),
        ("serve", "plain:app", "--bind"),
        ("dance",),
        (),
    ],
)
def test_wrong_command_line(narthex, arguments):
    ended = narthex(*arguments)
    assert ended.returncode == 2
    assert "usage: narthex" in ended.stderr
    assert "error:" in ended.stderr
    assert "Traceback" not in ended.stderr
