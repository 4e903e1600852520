"""`python -m n2g`: see `n2g.cli`."""

from n2g.cli import main
from n2g.errors import exit_with_sentence

if __name__ == "__main__":
    with exit_with_sentence():
        main()
