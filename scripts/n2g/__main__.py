"""`python -m n2g`: see `n2g.queries.cli`."""

from n2g.errors import exit_with_sentence
from n2g.queries.cli import main

if __name__ == "__main__":
    with exit_with_sentence():
        main()
