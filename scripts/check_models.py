"""Check the models that a run uses beside the one it describes: whether their files hold all that they need.

Of their weights only names and shapes are read, so that this takes seconds, before anything is computed.
"""

import argparse
from pathlib import Path

from n2g.explain.local_model import open_local
from n2g.method.masked_lm_proposer import open_masked_lm
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masked-lm", type=Path, help="folder of a masked language model")
    parser.add_argument("--local", type=Path, help="folder of a chat model")
    given = parser.parse_args()
    if given.masked_lm:
        open_masked_lm(given.masked_lm, "meta")
    if given.local:
        open_local(given.local, "meta")


if __name__ == "__main__":
    run_script(main)
