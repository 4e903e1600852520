"""What tests with arbitrary input share: how many examples they try, and what they may raise.

`N2G_EXAMPLES=100000` makes them try as many, each time others.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from n2g.errors import InputError

MORE = int(os.environ.get("N2G_EXAMPLES", "0"))
fuzz = settings(
    max_examples=MORE or 40,
    derandomize=not MORE,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

# Text as it may come from a command line: with halves of characters, which stand for bytes that are not UTF-8.
anything = st.text(st.characters(codec=None, exclude_categories=()))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@contextmanager
def refused_in_one_sentence() -> Generator[None]:
    """What the block does either works, or raises the project's own error, which is a sentence."""
    try:
        yield
    except InputError as error:
        said = str(error)
        assert said and said.isprintable() and "Traceback" not in said, said
