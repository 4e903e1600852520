"""Packages that only some runs need. Each set is an extra of the environment with its own lock."""

from __future__ import annotations

from importlib.util import find_spec

from n2g.errors import InputError, exit_with_sentence

MODULES = {"explain": "openai", "crate": "rocrate"}


def check_extra(extra: str) -> None:
    """Raise :class:`InputError` unless the packages of an extra are installed."""
    if find_spec(MODULES[extra]) is None:
        raise InputError(
            f"{extra}: needs the package {MODULES[extra]}, which is not installed: run `make setup EXTRAS={extra}`."
        )


def require_extra(conda: bool, extra: str) -> None:
    """End the program with the sentence of `check_extra`, unless conda environments bring the packages."""
    if not conda:
        with exit_with_sentence():
            check_extra(extra)
