"""What a sentence quotes of a library's error."""

import pytest

from n2g.errors import exit_with_sentence, first_line


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


def test_what_is_looked_up_in_vain() -> None:
    assert first_line(KeyError("weight_map")) == "there is no 'weight_map'"
    assert first_line(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied", "a.npy"),
            r"^a\.npy cannot be used \(Permission denied\): mend",
        ),
        (OSError(24, "Too many open files"), r"^a file cannot be used \(Too many open files\): mend"),
        (OSError(5, "Input/output error", "a\nb"), r"^a b cannot be used \(Input/output error\): mend"),
        (MemoryError(), "^the memory is full: end other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "^the memory is full:"),
    ],
)
def test_what_the_machine_refuses_is_one_sentence(error: Exception, said: str) -> None:
    with pytest.raises(SystemExit, match=said), exit_with_sentence():
        raise error


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(FileNotFoundError), exit_with_sentence():
        raise FileNotFoundError(2, "No such file or directory", "a.npy")
