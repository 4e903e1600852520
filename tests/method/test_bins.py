import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from n2g.method.collectors.bins import Bins
from n2g.method.histogram_bins import EDGES

BINS = Bins(EDGES, "cpu")
KNOWN = np.float32(EDGES).tolist()
NEAR = [np.nextafter(np.float32(edge), np.float32(to)).item() for edge in KNOWN for to in (-np.inf, np.inf)]


@given(
    st.lists(st.floats(width=32, allow_nan=False) | st.sampled_from([*KNOWN, *NEAR, 0.0, -0.0]), min_size=1)
)
def test_a_number_has_the_bin_that_a_search_finds(numbers: list[float]) -> None:
    values = torch.tensor(numbers, dtype=torch.float32)
    assert BINS.of(values).tolist() == torch.bucketize(values, torch.tensor(KNOWN)).tolist()
    assert BINS.of(values[:, None]).shape == (len(numbers), 1)


def test_edges_that_leading_bits_do_not_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="closer"):
        Bins(np.array([1.0, 1.001]), "cpu")
