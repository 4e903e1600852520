"""How the jobs of a run share the processor's cores."""

from __future__ import annotations

from dataclasses import dataclass

ELSEWHERE = 8  # cores to ask for where jobs run on other machines
WORTH_PROCESSES = 2_000  # neurons from which on it pays to start several processes


@dataclass(frozen=True)
class Cores:
    """Jobs that work side by side on the CPU share its cores; those that all others wait for have them alone.

    Attributes:
        available: cores that Snakemake may use, or None where jobs run elsewhere.
        side_by_side: jobs that run the model at the same time.
        passes: as configured: jobs over the whole corpus, for which all others wait.
    """

    available: int | None
    side_by_side: int
    passes: int

    @property
    def all(self) -> int:
        """Threads of a job that has no other at its side."""
        return self.available or ELSEWHERE

    @property
    def passes_at_once(self) -> int:
        return min(self.passes, self.side_by_side)

    @property
    def of_pass(self) -> int:
        """Threads of one pass over the corpus."""
        return max(1, self.all // self.passes_at_once)

    def for_neurons(self, count: int) -> int:
        """Processes of a job about so many neurons."""
        return self.all if count >= WORTH_PROCESSES else 1
