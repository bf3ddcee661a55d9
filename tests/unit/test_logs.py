"""The log lines of the Python half."""

import logging
import logging.config

import pytest
from narthex import logs


@pytest.fixture(autouse=True)
def _restored():
    before = (list(logs.LOGGER.handlers), logs.LOGGER.level, logs.LOGGER.propagate, logs.LOGGER.disabled)
    yield
    logs.LOGGER.handlers[:], logs.LOGGER.level, logs.LOGGER.propagate, logs.LOGGER.disabled = before
    logging.getLogger("narthex.error").disabled = False


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.INFO, "INFO:     hello\n"),
        (logging.WARNING, "WARNING:  hello\n"),
        (logging.CRITICAL, "CRITICAL: hello\n"),
        (logs.TRACE, "TRACE:    hello\n"),
    ],
)
def test_line(capsys, level, line):
    logs.configure("trace")
    logs.LOGGER.log(level, "hello")
    assert capsys.readouterr().err == line


def test_color_is_of_the_level_only():
    record = logging.LogRecord("narthex", logging.INFO, "", 0, "hello", (), None)
    assert logs.LineFormatter(color=True).format(record) == "\x1b[32mINFO\x1b[0m:     hello"


def test_exception_follows_the_line(capsys):
    logs.configure("info")
    try:
        raise ValueError("no luck")
    except ValueError:
        logs.ERRORS.exception("Failed")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "ERROR:    Failed"
    assert lines[-1] == "ValueError: no luck"


def test_level(capsys):
    logs.configure("warning")
    logs.LOGGER.info("quiet")
    logs.LOGGER.warning("loud")
    assert capsys.readouterr().err == "WARNING:  loud\n"


def test_configuring_twice_writes_once(capsys):
    logs.configure("info")
    logs.configure("info")
    logs.LOGGER.info("hello")
    assert capsys.readouterr().err == "INFO:     hello\n"


def test_without_stderr_lines_are_lost_and_nothing_else(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert not logs.use_color()
    logs.configure("info")
    logs.LOGGER.info("hello")


def test_root_is_not_touched(capsys):
    before = list(logging.getLogger().handlers)
    logs.configure("info")
    assert logging.getLogger().handlers == before
    logging.getLogger("of.the.application").info("not ours")
    assert capsys.readouterr().err == ""


def test_a_dict_config_in_passing_does_not_silence(capsys):
    logs.configure("info")
    logging.config.dictConfig({"version": 1})
    assert logs.LOGGER.disabled
    logs.reconfigure()
    logs.LOGGER.info("heard")
    logs.ERRORS.error("heard too")
    assert capsys.readouterr().err == "INFO:     heard\nERROR:    heard too\n"


def test_what_the_application_configures_for_us_stays(capsys):
    logs.configure("info")
    own = {"version": 1, "disable_existing_loggers": False, "handlers": {"none": {"class": "logging.NullHandler"}}}
    logging.config.dictConfig({**own, "loggers": {"narthex": {"handlers": ["none"], "level": "ERROR"}}})
    logs.reconfigure()
    logs.LOGGER.error("elsewhere")
    assert capsys.readouterr().err == ""
