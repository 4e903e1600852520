"""What rules pass on of a configuration."""

from __future__ import annotations

import json
import shlex

import pytest
from snakemake.io import WILDCARD_REGEX

from n2g.workflow.params import as_json, command_options, explains, settings_given


def test_params_hold_what_a_rule_names_and_no_more() -> None:
    config = {
        "seed": 0,
        "method": "atlas",
        "corpus": {"text": "a b", "bos": None},
        "settings": {"keep": 0.6, "gaps": [1]},
    }
    assert command_options(config, text_field="corpus.text", bos="corpus.bos", seed="seed") == (
        "--text-field='a b' --seed=0"
    )
    assert json.loads(settings_given(config, "keep", "alone")) == {"method": "atlas", "seed": 0, "keep": 0.6}
    assert explains({"explain": {"model": None, "local": "folder"}})
    assert not explains({"explain": {"model": None, "local": None}})


@pytest.mark.parametrize("value", ["{x}", "a {run} 'b' {{y}}", "{", "\\{x", "--x={x}\n", "{'x'}", '"{x}"'])
def test_params_hold_nothing_that_looks_like_a_wildcard(value: str) -> None:
    options, content = command_options({"name": value}, name="name"), as_json({"name": [value, {"x": 1}]})
    assert WILDCARD_REGEX.search(options) is None and WILDCARD_REGEX.search(content) is None
    assert shlex.split(options) == [f"--name={value}"]
    assert json.loads(content) == {"name": [value, {"x": 1}]}
