"""Sizes and durations."""

import pytest
from narthex.exceptions import BadValueError
from narthex.quantity import format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1048576", 1048576),
        ("512k", 512 * 1024),
        ("16MiB", 16 * 1024 * 1024),
        ("16 mib", 16 * 1024 * 1024),
        ("1g", 1 << 30),
        ("1.5m", 3 << 19),
        ("2kB", 2000),
        ("3MB", 3_000_000),
        ("7b", 7),
        ("4611686018427387903", (1 << 62) - 1),
    ],
)
def test_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "k", "1x", "-1", "0", "0.2", "1e9", "1_000", "٣", "nan", "inf", "1 2", "4611686018427387904"]
)
def test_bad_size(text):
    with pytest.raises(BadValueError) as caught:
        parse_size(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30.0), ("2.5", 2.5), ("500ms", 0.5), ("30s", 30.0), ("2m", 120.0), ("1h", 3600.0)]
)
def test_duration(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "0", "-1", "1d", "nan", "inf", "1e3", "9999999999999"])
def test_bad_duration(text):
    with pytest.raises(BadValueError):
        parse_duration(text)


def test_zero_duration_where_it_is_a_choice():
    assert parse_duration("0", zero=True) == 0


@pytest.mark.parametrize("text", ["1", "1000", "512KiB", "4MiB", "1GiB"])
def test_format_size_is_read_back(text):
    assert format_size(parse_size(text)) == text
