"""A module whose import fails by its own fault."""


def prepare():
    raise KeyError("SECRET_KEY")


prepare()
