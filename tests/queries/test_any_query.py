"""Any query to a run is answered or refused in one sentence."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from fuzzing import anything, fuzz, refused_in_one_sentence
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_run import RUN

from n2g.queries.cli import main

names = st.sampled_from(["L0.N0", "L0.N1", "L0.N0-", "L9.N9", "L0.N٠", "l0.n0"]) | anything
words = st.sampled_from([" the", "the", "<s>", "cat sat", "水"]) | anything
commands = st.one_of(
    st.tuples(st.just("predict"), names, words),
    st.tuples(st.just("fires"), words),
    st.tuples(st.just("match"), st.sampled_from(["the|cat …", "^ ∗", '"the"']) | anything, words),
    st.tuples(st.just("similar"), names),
    st.tuples(st.just("compare"), names, names),
    st.tuples(st.just("search"), st.just("--activating"), words, st.just("--context"), words),
    st.tuples(st.just("search"), st.just("--activating"), words),
    st.tuples(st.just("diff"), anything, anything),
    st.lists(anything, max_size=4),
)


@pytest.fixture(scope="module")
def run(finished: Path) -> Path:
    return finished / RUN


@fuzz
@given(commands, st.lists(st.sampled_from(["--json", "--limit=0", "--limit=-5", "--limit=1"]), max_size=2))
@example(("fires", "\udcff"), [])
@example(("predict", "L0.N0", "a\udcffb"), ["--json"])
@example(("search", "--activating", "\ud800"), [])
def test_any_query(run: Path, command: list[str], options: list[str]) -> None:
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(io.StringIO()),
        refused_in_one_sentence(),
    ):
        try:
            main(["--run", str(run), *options, *command])
        except SystemExit as ended:  # argparse says how the command is used
            assert ended.code in (0, 2)
