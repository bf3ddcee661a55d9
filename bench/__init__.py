"""Measures Narthex beside its rivals; README.md has the method and its limits. Run by ``make bench``."""
