"""The report of all problems."""

from narthex.exceptions import Problem, StartupError, report


def test_report_of_one():
    assert report([Problem("--bind x", "is bad", "Give a good one.")]) == (
        "Narthex cannot start: 1 problem.\n\n  1. --bind x: is bad\n     -> Give a good one.\n"
    )


def test_report_of_several_keeps_lines_together():
    problems = [Problem("APP a:b", "raised\nmore", "First.\nSecond.", "Traceback\n  File x\n\nValueError"), Problem("c", "d")]
    assert report(problems).splitlines() == [
        "Narthex cannot start: 2 problems.",
        "",
        "  1. APP a:b: raised",
        "     more",
        "     -> First.",
        "        Second.",
        "        Traceback",
        "          File x",
        "",
        "        ValueError",
        "",
        "  2. c: d",
    ]


def test_numbers_of_ten_problems_are_aligned():
    lines = report([Problem(str(number), "x", "y") for number in range(10)]).splitlines()
    assert "   1. 0: x" in lines
    assert "  10. 9: x" in lines


def test_startup_error_reads_as_its_report():
    problems = [Problem("a", "b", "c")]
    error = StartupError(problems)
    assert error.problems == tuple(problems)
    assert str(error) == report(problems)
