"""Options read from texts, all bad ones reported."""

import os

import pytest
from narthex import cli, config, settings
from narthex.config import Config, parse


def given(*arguments):
    given = vars(cli._parser().parse_args(["serve", *arguments]))
    assert settings.fill(given, given.pop("known"), {}) == settings.Found()
    return given


def problems(*arguments):
    return parse(given(*arguments))[1]


def read(*arguments):
    options, found = parse(given(*arguments))
    assert found == []
    return options


def test_defaults():
    options = read("a:b")
    assert options == config.Options(app="a:b", config=Config(addresses=("127.0.0.1:8000",)))


def test_every_option(tmp_path):
    options = read(
        *("--app-dir", str(tmp_path), "a:b", "--grpc", "c:d", "--grpc", "e:f", "--bind", "127.0.0.1:1", "--bind", "[::1]:2"),
        *(
            "--uds",
            "/x.sock",
            "--factory",
            "--root-path",
            "/sub/",
            "--loop",
            "asyncio",
            "--forwarded-allow-ips",
            "10.0.0.0/8,unix",
        ),
        *("--no-reflection", "--log-level", "DEBUG", "--no-access-log", "--graceful-timeout", "0", "--max-body", "1g"),
        *("--grpc-max-message", "8m", "--header-timeout", "1", "--body-timeout", "2s", "--keep-alive-timeout", "3m"),
        *("--api-prefix", "/api/", "--api-prefix", "/v2", "--http-over-grpc", "--http-over-grpc-from", "unix,10.0.0.0/8"),
        *("--http-over-grpc-from", "::1", "--application-close-timeout", "1.5", "--threads", "7"),
        *("--cors-origin", "https://A.example", "--cors-origin", "*", "--expose", "json=a.B, c.*", "--expose", "json=d.E/F"),
        *("--expose", "connect="),
    )
    assert options == config.Options(
        app="a:b",
        grpc=("c:d", "e:f"),
        app_dir=str(tmp_path),
        factory=True,
        loop="asyncio",
        log_level="debug",
        config=Config(
            addresses=("127.0.0.1:1", "[::1]:2"),
            uds="/x.sock",
            root_path="/sub",
            forwarded_allow_ips=("10.0.0.0/8", "unix"),
            reflection=False,
            access_log=False,
            graceful_timeout=0,
            max_body=1 << 30,
            grpc_max_message=8 << 20,
            header_timeout=1,
            body_timeout=2,
            keep_alive_timeout=180,
            h2_idle_timeout=180,
            application_close_timeout=1.5,
            threads=7,
            api_prefixes=("/api", "/v2"),
            cors_origins=("https://a.example", "*"),
            expose=(("json", ("a.B", "c.*", "d.E/F")), ("connect", ())),
            http_over_grpc=True,
            http_over_grpc_from=("unix", "10.0.0.0/8", "::1/128"),
        ),
    )


def test_uds_alone_means_no_port():
    assert read("a:b", "--uds", "/x.sock").config.addresses == ()


def test_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        Config().uds = "/other"


def test_ready_fd():
    reading, writing = os.pipe()
    try:
        assert read("a:b", "--ready-fd", str(writing)).ready_fd == writing
        assert [problem.what for problem in problems("a:b", "--ready-fd", str(reading))] == ["is not open for writing"]
    finally:
        os.close(reading)
        os.close(writing)
    assert [problem.what for problem in problems("a:b", "--ready-fd", str(writing))] == ["is not an open descriptor"]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1025", "1.5"])
def test_a_number_of_threads_is_one(text):
    [problem] = problems("a:b", "--threads", text)
    assert problem.where == f"--threads {text}"


def test_all_bad_values_are_found():
    found = problems(
        *(
            "a:b",
            "--bind",
            "nowhere",
            "--max-body",
            "12q",
            "--header-timeout",
            "soon",
            "--loop",
            "twisted",
            "--log-level",
            "loud",
        ),
        *(
            "--forwarded-allow-ips",
            "me",
            "--api-prefix",
            "api",
            "--root-path",
            "sub",
            "--ready-fd",
            "x",
            "--app-dir",
            "/no/such",
        ),
        *("--grpc-max-message", "5g", "--bind", "also-nowhere", "--expose", "smtp=*", "--expose", "grpc"),
        *("--cors-origin", "a.example", "--cors-origin", "https://a.example/"),
    )
    assert {problem.where for problem in found} == {
        *("--bind nowhere", "--bind also-nowhere", "--max-body 12q", "--header-timeout soon", "--loop twisted"),
        *("--log-level loud", "--forwarded-allow-ips me", "--api-prefix api", "--root-path sub", "--ready-fd x"),
        *("--app-dir /no/such", "--grpc-max-message 5g", "--expose smtp=*", "--expose grpc", "--cors-origin a.example"),
        "--cors-origin https://a.example/",
    }
    assert all(problem.what and problem.hint and not problem.traceback for problem in found)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ((), "APP and --grpc"),
        (("--factory", "--grpc", "a:b"), "--factory"),
        (("--http-over-grpc", "--grpc", "a:b"), "--http-over-grpc"),
        (("a:b", "--http-over-grpc-from", "unix"), "--http-over-grpc-from"),
        (("a:b", "--http-over-grpc", "--http-over-grpc-from", "*"), "--http-over-grpc-from *"),
        (("a:b", "--api-prefix", "/"), "--api-prefix /"),
        (("a:b", "--uds", ""), "--uds ''"),
    ],
)
def test_what_makes_no_sense_together(arguments, where):
    assert [problem.where for problem in problems(*arguments)] == [where]


def test_missing_uvloop(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert [problem.where for problem in problems("a:b")] == ["--loop uvloop"]
    assert problems("a:b", "--loop", "asyncio") == []


def test_upstreams():
    read_upstreams = read("--upstream", "http://a:1", "--upstream", "shop.v1.Shop=unix:/a=b").config.upstreams
    assert read_upstreams.targets == (("", "http://a:1"), ("shop.v1.Shop", "unix:/a=b"))
    assert read_upstreams.ping_interval == 330.0
    never = read("--upstream", "unix:/a=b", "--upstream-ping-interval", "0", "--upstream-authority", "client")
    assert never.config.upstreams.targets == (("", "unix:/a=b"),)
    assert (never.config.upstreams.ping_interval, never.config.upstreams.keep_authority) == (None, True)
    assert [problem.where for problem in problems("a:b", "--upstream-tls-ca", "x")] == ["--upstream-tls-ca"]
