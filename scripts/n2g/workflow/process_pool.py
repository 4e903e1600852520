"""Work shared among several processes."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

from n2g.workflow.job_environment import end_with_workflow

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], processes: int) -> Iterator[Result]:
    """The result for each item, in order.

    Args:
        work: what is done with an item; sent to each process once, with all that it holds.
        items: taken no faster than the results are.
        processes: how many work; with 1 it is this one.
    """
    if processes < 2:
        yield from map(work, items)
        return
    # Fresh processes: a copy of this one could inherit locks that its other threads hold.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (work,)) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(_work, item))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_own: Callable[[Any], Any]  # the work of a process of the pool


def _begin(work: Callable[[Any], Any]) -> None:
    global _own
    end_with_workflow()
    _own = work


def _work(item: Any) -> Any:
    return _own(item)
