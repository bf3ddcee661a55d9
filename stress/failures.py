"""What ends a scenario."""


class Failed(Exception):  # noqa: N818 - it is no fault of this program
    """The server did what it must not; the text is the account of it."""


class NotRun(Exception):  # noqa: N818 - likewise
    """Something this machine lacks; the text says what."""


def check(condition: bool, account: str) -> None:
    """Fails unless it holds."""
    if not condition:
        raise Failed(account)
