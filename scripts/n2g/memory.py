"""A GPU without room for a batch: the batch is halved, as often as it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_parts(run: Callable[[int, int], Result], count: int, least: int = 1) -> list[Result]:
    """What ``run(begin, end)`` gives for the rows 0 to ``count``: for all at once, if the GPU's memory has room.

    Where it has none, both halves are tried, and so on down to ``least`` rows; parts are multiples of that.

    Raises:
        torch.OutOfMemoryError: there is no room for ``least`` rows.
    """

    def attempt(begin: int, end: int) -> list[Result]:
        try:
            return [run(begin, end)]
        except torch.OutOfMemoryError:
            if end - begin <= least:
                raise
        # Only here is the error gone, and with it the tensors that it held on to.
        torch.cuda.empty_cache()
        middle = begin + -(-(end - begin) // (2 * least)) * least
        return attempt(begin, middle) + attempt(middle, end)

    return attempt(0, count)
