"""Pages of a run of latents say latent, and name the source and what the encoders read."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import fake_records
import pytest
from made_atlas import COUNTS, ROOT, pages

from n2g.site.build import build
from n2g.site.inputs import SiteInputs

EXPECTED = tuple(f"L{layer}.F{latent}" for layer in range(2) for latent in range(4))
SPOKEN = ("title", "aria-label", "placeholder", "alt", "content")
# Of the method, of this project, and of how it is used.
NAMES = r"Neuron to Graph: Interpreting Language Model Neurons|Neuron to Graph|Neuron Atlas|snakemake neuron|neuron=L"
NAMES += r"|(rewrite_)?neurons\.(csv|parquet)|neurons/"


class Words(HTMLParser):
    """All that a reader of a page sees or hears of it."""

    def __init__(self, path: Path):
        super().__init__()
        self.found: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found += [value for name, value in attrs if name in SPOKEN and value]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    renders = fake_records.write(folder, letter="F")
    rare = renders[0] / "L0.F1.json"
    record = json.loads(rare.read_text(encoding="utf-8"))
    record["metrics"]["top"]["graph"]["firing"] = 3
    rare.write_text(json.dumps(record), encoding="utf-8")
    config = fake_records.CONFIG | {"units": fake_records.UNITS, "site_url": "https://example.org/"}
    encoders = {layer: f"TopK (k = 32), reads blocks.{layer}.hook_resid_post" for layer in range(2)}
    fake_records.write_effects(folder)
    atlas = SiteInputs(
        config,
        fake_records.summary(),
        EXPECTED,
        tables=("effects",),
        run_tables=(fake_records.write_similar(folder / "similar.parquet"),),
        counts=COUNTS,
        size=(2, 4),
        rewritten=(fake_records.write_rewritten(folder / "0"),),
        encoders=encoders,
    )
    build(atlas, renders, ROOT / "site", folder / "no docs", folder / "atlas")
    return folder / "atlas"


def test_few_firing_tokens_are_those_of_the_latent(atlas: Path) -> None:
    page = (atlas / "neurons" / "L0" / "F1" / "index.html").read_text(encoding="utf-8")
    assert "the latent fires on fewer than 5 tokens" in page and "too few test tokens" in page


def test_nothing_is_called_a_neuron(atlas: Path) -> None:
    for path in pages(atlas):
        said = re.sub(NAMES, "", "\n".join(Words(path).found))
        assert re.findall(r".*neuron.*", said, re.IGNORECASE) == [], path
        assert "atent" in said or "This page has moved" in said, path


def test_rewritten_layers_are_those_of_latents(atlas: Path) -> None:
    said = " ".join("".join(Words(atlas / "rewrite/index.html").found).split())
    assert "4 of 4 latents, rewritten by the graphs of one pole." in said
    assert "L0.F0" in said


def test_scripts_know_what_the_pages_are_about(atlas: Path) -> None:
    assert (atlas / "js" / "site.js").read_text().startswith('export const [unit, letter] = ["latent", "F"];')
    for path in (atlas / "js").glob("*.js"):
        code = re.sub(r"^\s*(//|/?\*).*$|\$\{[^{}]*\}", "", path.read_text(), flags=re.MULTILINE)
        texts = re.findall(r"[\"`][^\"`\n]*[\"`]", code)
        spoken = [text for text in texts if re.search(r"\bneurons?\b(?!/)", text, re.IGNORECASE)]
        # names of a module, of a feature, of a group of hits
        assert set(spoken) <= {'"./neuron.js"', '"neurons"'}, path


def test_the_source_is_named(atlas: Path) -> None:
    home = "".join(Words(atlas / "index.html").found)
    assert (
        "<i>Fake</i> encoders, CC BY 4.0, from saes/<b>fake</b>: layer 0, TopK (k = 32), reads blocks.0.hook_resid_post"
        in home
    )
    assert "All 8 latents of" in " ".join(home.split())
    layer = "".join(Words(atlas / "layers/L1/index.html").found)
    assert "TopK (k = 32), reads blocks.1.hook_resid_post. 4 latents" in layer
    page = atlas / "neurons/L0/F0/index.html"
    assert "<i>Fake</i> encoders (CC BY 4.0), saes/<b>fake</b>" in Words(page).found
    assert fake_records.HOSTILE[0] in Words(page).found  # its name, as text
    assert "<script>window" not in page.read_text()
