"""Neutral text needs documents that are longer than a prefix."""

import numpy as np
import pytest

from n2g.errors import InputError
from n2g.method.evidence import Texts
from n2g.method.neutral_text import from_texts
from n2g.settings import Settings
from n2g.texts.documents import Documents

DOCUMENTS = Documents(
    np.arange(10, dtype=np.int32), np.array([0, 5]), np.array([5, 5]), np.array([0, 2], np.int8)
)


@pytest.mark.parametrize(("length", "split"), [(4, "train"), (12, "train"), (2, "validation")])
def test_no_document_that_is_long_enough_is_one_sentence(length: int, split: str) -> None:
    with pytest.raises(InputError, match=rf"^settings\.prefix_length: .* longer than {length} tokens"):
        from_texts(Texts.of(DOCUMENTS, split), Settings(prefix_length=length))
    fitting = from_texts(Texts.of(DOCUMENTS, "train"), Settings(prefix_length=3))
    assert {len(prefix) for prefix in fitting.prefixes} == {3}
