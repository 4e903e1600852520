"""How the jobs of a run share the processor's cores."""

from __future__ import annotations

from dataclasses import dataclass

from n2g.errors import InputError

ELSEWHERE = 8  # cores to ask for where jobs run on other machines
WORTH_PROCESSES = 2_000  # neurons at which starting several processes pays off


@dataclass(frozen=True)
class Cores:
    """Jobs that run concurrently share the CPU's cores; a job that blocks all others gets every core.

    Attributes:
        available: cores that Snakemake may use, or None where jobs run elsewhere.
        side_by_side: jobs that run the model at the same time.
        passes: as configured: jobs over the whole corpus, which block all others.

    Raises:
        InputError: no job could run the model.
    """

    available: int | None
    side_by_side: int
    passes: int

    def __post_init__(self) -> None:
        if self.side_by_side < 1:
            raise InputError(
                f"--resources gpu={self.side_by_side}: a job that runs the model takes one, without a GPU too: give "
                "gpu=1, and set device: cpu if no GPU is to be used."
            )

    @property
    def all(self) -> int:
        """Threads of a job that runs alone."""
        return self.available or ELSEWHERE

    @property
    def passes_at_once(self) -> int:
        return min(self.passes, self.side_by_side)

    @property
    def of_pass(self) -> int:
        """Threads of one pass over the corpus."""
        return max(1, self.all // self.passes_at_once)

    def for_neurons(self, count: int) -> int:
        """Processes of a job that covers this many neurons."""
        return self.all if count >= WORTH_PROCESSES else 1
