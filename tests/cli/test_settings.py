"""Options from a file and from the environment."""

import pytest
from narthex import cli, settings


def filled(arguments, environment=()):
    given = vars(cli._parser().parse_args(list(arguments)))
    found = settings.fill(given, given.pop("known"), dict(environment))
    return given, [(problem.where, problem.what, problem.hint) for problem in found.problems]


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "narthex.toml"
        path.write_text(text)
        return str(path)

    return write


def test_every_kind_of_setting(file):
    path = file(
        'app = "a:b"\ngrpc = ["c:d", "e:f"]\nbind = "127.0.0.1:1"\ngraceful-timeout = 10\nbody_timeout = 2.5\n'
        "access-log = false\nfactory = true\nhttp-over-grpc = true\n"
    )
    given, problems = filled(["serve", "--config", path])
    assert problems == []
    assert given["app"] == "a:b"
    assert given["grpc"] == ["c:d", "e:f"]
    assert given["bind"] == ["127.0.0.1:1"]
    assert (given["graceful_timeout"], given["body_timeout"]) == ("10", "2.5")
    assert (given["access_log"], given["factory"], given["http_over_grpc"]) == (False, True, True)


def test_who_wins(file):
    path = file(
        'log-level = "debug"\nloop = "asyncio"\nmax-body = "1m"\nbind = ["127.0.0.1:1", "127.0.0.1:2"]\naccess-log = true\n'
    )
    environment = {"NARTHEX_CONFIG": path, "NARTHEX_LOOP": "uvloop", "NARTHEX_MAX_BODY": "2m", "NARTHEX_ACCESS_LOG": "yes"}
    given, problems = filled(["serve", "--max-body", "3m", "--bind", "127.0.0.1:3", "--no-access-log"], environment)
    assert problems == []
    assert (given["log_level"], given["loop"], given["max_body"]) == ("debug", "uvloop", "3m")
    assert given["bind"] == ["127.0.0.1:3"]
    assert given["access_log"] is False


def test_the_environment():
    # Kubernetes sets the last two for a service of that name.
    environment = {
        "NARTHEX_APP": "a:b",
        "NARTHEX_BIND": "127.0.0.1:1 [::1]:2",
        "NARTHEX_FACTORY": "On",
        "NARTHEX_REFLECTION": "0",
        "NARTHEX_PORT": "tcp://10.0.0.1:80",
        "NARTHEX_SERVICE_HOST": "10.0.0.1",
    }
    given, problems = filled(["serve"], environment)
    assert problems == []
    assert (given["app"], given["bind"]) == ("a:b", ["127.0.0.1:1", "[::1]:2"])
    assert (given["factory"], given["reflection"]) == (True, False)


def test_an_empty_variable_is_none():
    given, problems = filled(["serve"], {"NARTHEX_UDS": "", "NARTHEX_FACTORY": " ", "NARTHEX_PROTO": ""})
    assert problems == []
    assert (given["uds"], given["factory"], given["proto"]) == (None, None, None)


def test_the_command_line_takes_flags_back(file):
    path = file("factory = true\nhttp-over-grpc = true\njson-whitespace = true\n")
    given, problems = filled(["serve", "--config", path, "--no-factory", "--no-http-over-grpc", "--no-json-whitespace"])
    assert problems == []
    assert (given["factory"], given["http_over_grpc"], given["json_whitespace"]) == (False, False, False)


def test_a_command_takes_what_it_has_a_place_for(file):
    given, problems = filled(["routes", "--config", file('app = "a:b"\nbind = ["127.0.0.1:1"]\n')])
    assert problems == []
    assert given["app"] == "a:b"
    assert "bind" not in given


@pytest.mark.parametrize(
    ("text", "where", "what", "hint"),
    [
        ("bind 1", "--config", "is not TOML", "bind = ["),
        ("acess-log = true", "acess-log", "is no option", "Did you mean access-log?"),
        ("[server]\nbind = 1", "server", "is no option", "narthex serve --help"),
        ('access-log = "no"', "access-log", "is neither true nor false", "without quotes"),
        ("loop = true", "loop", "is neither text nor a number", "quotes"),
        ('uds = ["a"]', "uds", "is a list", "one value"),
        ("body-timeout = 1\nbody_timeout = 2", "body_timeout", "is given twice", "Leave one"),
        ("bind = [1, []]", "bind", "is neither text nor a number", "quotes"),
        ('config = "other.toml"', "config", "is no option", "Did you mean"),
    ],
)
def test_what_is_wrong_in_a_file(file, text, where, what, hint):
    _, [problem] = filled(["serve", "--config", file(text)])
    assert where in problem[0]
    assert what in problem[1]
    assert hint in problem[2]


def test_what_is_wrong_in_the_environment():
    _, [problem] = filled(["serve"], {"NARTHEX_ACCESS_LOG": "maybe"})
    assert problem[0] == "NARTHEX_ACCESS_LOG=maybe"


def test_all_problems_are_told_together(narthex, file):
    path = file('log-level = "loud"\nbinds = []\n')
    ended = narthex("serve", "plain:nothing", "--config", path, env={"NARTHEX_LOOP": "trio"})
    assert ended.returncode == 2
    # Each by the place where it stands.
    for text in ("binds", "Did you mean bind?", f"{path}: log-level loud", "NARTHEX_LOOP trio", "plain:nothing"):
        assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_that_cannot_be_read(narthex, tmp_path):
    ended = narthex("serve", "plain:app", "--config", str(tmp_path / "missing.toml"))
    assert ended.returncode == 2
    assert "cannot be read: No such file or directory" in ended.stderr


def test_serving_from_settings_alone(serve, file):
    path = file('app = "wsgi_kitchen:app"\naccess-log = false\n')
    with serve("--config", path, env={"NARTHEX_INTERFACE": "wsgi"}) as server, server.client() as client:
        assert client.get("/list").text == "made"
