"""If a batch does not fit into GPU memory it is halved, as often as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_parts(run: Callable[[int, int], Result], count: int, least: int) -> Iterator[Result]:
    """The results of ``run(begin, end)`` for the rows 0 to ``count``: for all at once, if they fit into GPU memory.

    Otherwise both halves are tried, and so on down to ``least`` rows; parts are multiples of that. A part is
    run when it is asked for, so that the one before need not be kept meanwhile.

    Raises:
        torch.OutOfMemoryError: there is no room for ``least`` rows.
    """
    waiting = [(0, count)]
    while waiting:
        begin, end = waiting.pop()
        try:
            yield run(begin, end)
            continue
        except torch.OutOfMemoryError:
            if end - begin <= least:
                raise
        # Only here is the error gone, and with it the tensors that it held on to.
        torch.cuda.empty_cache()
        middle = begin + -(-(end - begin) // (2 * least)) * least
        waiting += [(middle, end), (begin, middle)]
