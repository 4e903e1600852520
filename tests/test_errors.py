"""What a sentence quotes of a library's error."""

import pytest

from n2g.errors import first_line


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("It failed.", "It failed"),
        ("It failed.\nMore of it.", "It failed"),
        ("\n\n  It   failed\n", "It failed"),
        ("", "ValueError"),
        ('Error(s) in loading:\n\tMissing key(s): "a".\n\tMore', 'Error(s) in loading: Missing key(s): "a"'),
        (
            "404 Client Error. (Request ID: 1)\n\nNot Found for url: x.\nCheck it",
            "404 Client Error. (Request ID: 1) Not Found for url: x",
        ),
        ("Nothing follows:", "Nothing follows"),
    ],
)
def test_the_line_that_says_something(said: str, quoted: str) -> None:
    assert first_line(ValueError(said)) == quoted
