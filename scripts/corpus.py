"""Turn fetched texts into token ids: tokenise, drop near-duplicates, split."""

import argparse
from collections import Counter
from pathlib import Path

from n2g.errors import warn
from n2g.files.tables import write_json, write_table
from n2g.model.checkpoint import read_description
from n2g.model.vocabulary import vocabulary
from n2g.texts.corpus import Limits, begin_token, build, encoder, require_splits
from n2g.texts.corpus_files import load_documents, write_places
from n2g.texts.fetch import fetched_files, other_files_beside
from n2g.texts.readers import SKIPPED, read_texts
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True, help="manifest of the fetched texts")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the model's checkpoint.json")
    parser.add_argument("--text", default="text", help="field or column with a document's text")
    parser.add_argument("--title", help="field or column with its title")
    parser.add_argument("--separator", help="what stands between the documents of a .txt file")
    parser.add_argument("--bos", type=int, help="token id before every sequence, instead of the model's own")
    parser.add_argument("--max-tokens", type=int, help="maximum number of tokens")
    parser.add_argument("--max-length", type=int, default=256, help="maximum sequence length in tokens")
    parser.add_argument("--min-length", type=int, default=8, help="minimum length of a text in tokens")
    parser.add_argument(
        "--near-duplicates", type=float, help="Jaccard similarity at which a text counts as a duplicate"
    )
    parser.add_argument(
        "--further-tokens",
        type=int,
        help="tokens beyond those in which pairs are counted too; without it, no pairs are counted",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    given = parser.parse_args()

    model = read_description(given.checkpoint)
    tokenizer = given.checkpoint.parent / "tokenizer.json"
    bos = begin_token(given.bos, model.bos, model.eos, model.d_vocab)
    limits = Limits(
        given.max_tokens, given.max_length, given.min_length, given.near_duplicates, given.further_tokens
    )
    limits.check(model.n_ctx)
    skipped = Counter(dict.fromkeys(SKIPPED, 0))
    files = fetched_files(given.texts)
    texts = read_texts(files, given.text, given.title, given.separator, skipped)
    corpus = build(texts, encoder(tokenizer), bos, limits, given.output / "tokens.npy")
    if left_out := skipped.total():
        have = (
            "has no text or is not JSON, and is" if left_out == 1 else "have no text or are not JSON, and are"
        )
        warn(f"{left_out} record{'s' * (left_out > 1)} of the corpus {have} left out.")
    require_splits(corpus.counts)

    write_table(given.output / "documents.parquet", "documents", corpus.documents)
    write_table(given.output / "pairs.parquet", "pairs", corpus.pairs)
    write_places(given.output, load_documents(given.output))
    write_table(given.output / "vocabulary.parquet", "vocabulary", vocabulary(tokenizer, model.d_vocab))
    beside = {"read": len(files), "other": other_files_beside(given.texts)}
    counts = {**corpus.counts, "skipped": dict(skipped), "files": beside}
    write_json(given.output / "corpus.json", {**counts, "bos": bos, "max_length": given.max_length})
    print(counts)
    if other := beside["other"]:
        names = ", ".join(f"{count} {suffix}" for suffix, count in sorted(other.items()))
        warn(f"the corpus folder also has files of other formats, which are not read: {names}.")


if __name__ == "__main__":
    run_script(main)
