"""The configuration: schema, defaults, and one sentence for each mistake."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from n2g.errors import ConfigError
from n2g.ids import NeuronId
from n2g.workflow.config import complete_config, describe_keys, load_config, read_schema
from n2g.workflow.params import model_names
from n2g.workflow.selection import check_selection, named_neuron, require_blocks, selected_blocks

ROOT = Path(__file__).parents[2]
MINIMAL = {"model": {"source": "hf:org/model@v1"}, "corpus": {"source": "hf:org/texts@v1"}}


def changed(key: str, value: object) -> dict:
    """The minimal configuration with one key set, by its dotted path."""
    config = {part: dict(section) for part, section in MINIMAL.items()}
    *outer, last = key.split(".")
    target = config.setdefault(outer[0], {}) if outer else config
    target[last] = value
    return config


def test_the_shipped_configuration_is_valid_and_complete() -> None:
    config = load_config(ROOT / "config.yaml")
    assert config["run"] == "smollm2"
    assert config["corpus"]["max_tokens"] is None, "the whole corpus is read"


def test_the_schema_is_valid_and_describes_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(read_schema())

    def check(part: dict) -> None:
        assert part["additionalProperties"] is False
        for key, inner in part["properties"].items():
            assert inner["description"].strip(), key
            assert "default" in inner or key in part["required"], key
            if "properties" in inner:
                check(inner)

    check(read_schema())


def test_the_shipped_configuration_shows_every_key_but_rare_ones() -> None:
    given = yaml.safe_load((ROOT / "config.yaml").read_text())
    shown = {key for key in given if not isinstance(given[key], dict)} | {
        f"{part}.{key}" for part in ("model", "corpus", "explain") for key in given[part]
    }
    rare = {"model.tokenizer", "corpus.bos", "corpus.separator"}
    rare |= {"units.source", "units.file", "units.sha256", "units.hook", "units.model"}
    rare |= {"units.name", "units.licence", "units.url"}
    assert {key for key, _, _ in describe_keys()} - {"settings"} == (shown - {"settings"}) | rare


def test_defaults_are_filled_in_and_the_input_is_left_alone() -> None:
    given = changed("corpus.max_tokens", 5)
    config = complete_config(given)
    assert config["corpus"]["max_tokens"] == 5
    assert config["corpus"]["min_length"] == 8
    assert config["block_size"] == 256
    assert given == changed("corpus.max_tokens", 5)
    config["poles"].append("negative")
    assert complete_config(given)["poles"] == ["positive"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("sede", 1, "did you mean seed?"),
        ("zzz", 1, "the keys here are run, against, site_url, model"),
        ("model.fiel", "x", "did you mean file?"),
        ("layers", "5-2", "write the smaller number first"),
        ("layers", "0..5", "0-31,100"),
        ("neurons", "x", "0-31,100"),
        ("neurons", -1, "0-31,100"),
        ("neuron", "L3", "L3.N42"),
        ("neuron", "L3.F4", "neuron: L3.F4 is no name here: write it as L3.N4."),
        ("units", "latents", "must match"),
        ("units", {}, "units.source: is missing"),
        ("units", {"source": "hf:org/saes"}, "units.source: 'hf:org/saes' has no fixed revision"),
        ("units", {"source": "hf:org/saes@v1", "file": "../x"}, "units.source: the file '../x' is outside"),
        ("units", {"source": ".", "sha256": "0" * 64}, "units.sha256: can only be checked for a wheel"),
        ("units", {"source": "nowhere"}, "units.source: 'nowhere' does not exist"),
        ("units", {"source": __file__}, "is a file: give the folder that it is in"),
        ("units", {"source": ".", "hook": "resid"}, "units.hook: 'resid' has the wrong form"),
        ("units", {"source": ".", "layers": 3}, "units.layers: is not a key of the configuration"),
        ("run", "a/b", "must match"),
        ("run", "a\n", "must match"),
        ("run", "a" * 101, "has 101 characters: give at most 100."),
        ("device", "cpu\n", "must match"),
        ("explain.key", "KEY\n", "must match"),
        ("explain.simulator", "gpt", "is needed with explain.simulator"),
        ("model.url", "javascript:alert(1)", "must match"),
        ("corpus.url", "example.org", "must match"),
        (
            "units",
            {"source": ".", "url": "javascript:alert(1)"},
            "units.url: 'javascript:alert(1)' has the wrong form",
        ),
        ("against", "a/b", "must match"),
        ("against", "default", "is the run itself"),
        ("against", "unknown", "results/unknown is not a finished run"),
        ("site_url", "example.org/atlas", "must match"),
        ("poles", [], "poles"),
        ("poles", ["up"], "'positive' or 'negative'"),
        ("block_size", 0, "at least 1"),
        ("effect_places", -1, "at least 0"),
        ("effect_places", "some", "whole number"),
        ("block_size", "many", "whole number"),
        ("device", "gpu", "must match"),
        ("device", "mps", "Apple silicon"),
        ("dtype", "float16", "'float32' or 'bfloat16'"),
        ("corpus.max_tokens", 0, "at least 1"),
        ("corpus.near_duplicates", 0, "above 0"),
        ("corpus.near_duplicates", 1.5, "at most 1"),
        ("corpus.min_length", 256, "smaller than corpus.max_length"),
        ("pair_tokens", 5, "set corpus.further_tokens"),
        ("corpus.separator", "", "corpus.separator"),
        ("settings", {"prefix_length": 255}, "do not fit into corpus.max_length (256)"),
        ("model.source", "pypi:name", "pypi:NAME==VERSION"),
        ("model.source", "hf:org/model", "@REVISION"),
        ("model.source", "no/such/folder", "does not exist: give the path of a file or folder that does."),
        ("model.source", "org/model-1.0", "or write hf:org/model-1.0@REVISION for the Hugging Face hub."),
        ("corpus.source", "tests/none.txt", "does not exist: give the path of a file or folder that does."),
        ("model.tokenizer", "org/model", "or write hf:org/model@REVISION for the Hugging Face hub."),
        ("model.sha256", "abc", "must match"),
        ("model.sha256", "0" * 64, "model.file"),
        ("model.file", "../secret", "is outside the source"),
        ("model.tokenizer", "nowhere.json", "does not exist"),
        ("explain.model", "gpt", "explain.base_url: is needed"),
        ("proposer", "masked-lm", "masked_lm: null is not a folder with a model"),
        ("explain.local", "nowhere", "does not exist"),
        ("explain", {"local": ".", "model": "gpt"}, "set only one of them"),
        ("explain.base_url", "http://me:secret@host/v1", "must match"),
        ("explain.key", "sk-not-a-name", "must match"),
        ("settings", {"method": "paper"}, "set method instead"),
        ("settings", {"train_exmaples": 3}, "did you mean train_examples?"),
    ],
)
def test_each_mistake_is_one_sentence_with_key_and_remedy(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        complete_config(changed(key, value))
    message = str(caught.value)
    assert said in message
    assert message.startswith("masked_lm" if key == "proposer" else key.split(".")[0])
    assert "\n" not in message and message.endswith((".", "?"))


def test_a_pypi_source_needs_a_file() -> None:
    with pytest.raises(ConfigError, match=r"^corpus\.file: "):
        complete_config(changed("corpus.source", "pypi:texts==1"))


@pytest.mark.parametrize("given", [None, [], "x"])
def test_something_else_than_keys_is_refused(given: object) -> None:
    with pytest.raises(ConfigError, match="not a group of keys"):
        complete_config(given)


def test_text_from_the_command_line_is_read_as_the_schema_wants_it() -> None:
    plain = changed("corpus.max_tokens", "null")
    plain["settings"] = {"max_nodes": "20", "precisions": "[0.5, 1.0]"}
    config = complete_config(plain)
    assert config["corpus"]["max_tokens"] is None
    assert config["settings"] == {"max_nodes": 20, "precisions": [0.5, 1.0]}
    with pytest.raises(ConfigError, match=r"^corpus\.max_tokens: 'many' is not a whole number"):
        complete_config(changed("corpus.max_tokens", "many"))


def test_a_missing_section_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^corpus: is missing"):
        complete_config({"model": {"source": "hf:org/model@v1"}})


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_config(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("key", "value"), [("layers", "0-3"), ("neurons", "5,24"), ("neuron", "L99.N0"), ("neuron", "L0.N24")]
)
def test_selections_are_checked_against_the_model(key: str, value: str) -> None:
    selection = {"layers": "0-2", "neurons": "all", "neuron": "L2.N23"}
    check_selection(selection, 3, 24)
    with pytest.raises(ConfigError, match=f"^{key}: .*choose from"):
        check_selection(selection | {key: value}, 3, 24)


def test_layers_without_latents() -> None:
    selection = {"layers": "all", "neurons": "0-3", "neuron": "L7.F3", "block_size": 2}
    blocks = selected_blocks(selection, [3, 7], 40)
    assert [f"{layer}/{block}" for layer, block in blocks] == [
        f"{layer}/{block}" for layer in (3, 7) for block in ("00000-00001", "00002-00003")
    ]
    for key, value, sentence in (
        ("layers", "3-7", r"^layers: 4 has no latents: choose from 3, 7, or all\."),
        ("neuron", "L4.F0", r"^neuron: L4\.F0 does not exist in this model: choose from L3\.F0 to L7\.F39\."),
        ("neurons", "40", "^neurons: 40 is out of range"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            check_selection(selection | {key: value}, [3, 7], 40)


def test_latents_that_no_name_can_say() -> None:
    selection = {"layers": "0", "neurons": "all", "neuron": None, "block_size": 256}
    sentence = r"^neurons: 131071 is beyond what names of latents can say: choose from 0-99999\."
    with pytest.raises(ConfigError, match=sentence):
        check_selection(selection, [0], 131072)
    blocks = selected_blocks(selection | {"neurons": "99900-99999"}, [0], 131072)
    assert [str(block) for _, block in blocks] == ["99900-99999"]
    check_selection(selection, [0], 100_000)


def test_the_keys_of_latents_have_defaults() -> None:
    latents = complete_config(MINIMAL | {"units": {"source": "."}})
    assert latents["units"] == {
        "source": ".",
        "file": None,
        "sha256": None,
        "hook": "auto",
        "model": None,
        "name": None,
        "licence": None,
        "url": None,
    }


def test_a_run_of_latents_is_not_compared_with_one_of_neurons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for run, units in (("latents", {"source": "saes"}), ("neurons", "neurons")):
        (tmp_path / "results" / run).mkdir(parents=True)
        (tmp_path / "results" / run / "manifest.json").write_text(json.dumps({"config": {"units": units}}))
    assert complete_config(changed("against", "neurons"))["against"] == "neurons"
    with pytest.raises(
        ConfigError, match=r"^against: results/latents describes latents, not neurons: name another run\.$"
    ):
        complete_config(changed("against", "latents"))


def test_names_of_the_model() -> None:
    config = complete_config(changed("model.name", "Small") | {"units": {"source": "."}})
    assert model_names(config) == ["Small", MINIMAL["model"]["source"]]
    assert model_names(config | {"units": {"source": ".", "model": "small-7"}}) == ["small-7"]


def test_targets_that_nothing_is_selected_for() -> None:
    with pytest.raises(ConfigError, match=r"^layers: 'all' can only be resolved"):
        require_blocks([])
    with pytest.raises(ConfigError, match=r"^neuron: is not set"):
        named_neuron({"neuron": None})
    assert named_neuron({"neuron": "L3.N42"}) == NeuronId(3, 42)
