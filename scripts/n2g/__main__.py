"""`python -m n2g`: see `n2g.queries.cli`."""

from n2g.errors import exit_with_sentence
from n2g.queries.cli import main, written_anywhere

if __name__ == "__main__":
    with exit_with_sentence(), written_anywhere():
        main()
