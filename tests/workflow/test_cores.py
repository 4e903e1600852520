"""How the jobs of a run share the cores."""

from __future__ import annotations

import pytest

from n2g.errors import InputError
from n2g.workflow import job_environment
from n2g.workflow.cores import Cores


@pytest.mark.parametrize(
    ("cores", "threads", "share", "large_share"),
    [
        (Cores(8, 1, 1), 8, "", ""),
        (Cores(8, 4, 2), 4, "2", "4"),
        (Cores(8, 2, 8), 4, "4", "4"),
        (Cores(2, 8, 8), 1, "1", "1"),
        (Cores(None, 8, 2), 4, "", ""),
    ],
)
def test_jobs_share_the_cores(cores: Cores, threads: int, share: str, large_share: str) -> None:
    assert cores.of_pass == threads
    given = job_environment.variables(None, cores.available, cores.side_by_side, cores.passes_at_once)
    assert (given[job_environment.THREADS], given[job_environment.ALL_THREADS]) == (share, large_share)
    own = job_environment.variables(3, cores.available, cores.side_by_side, cores.passes_at_once)
    assert (own[job_environment.THREADS], own[job_environment.ALL_THREADS]) == ("3", "3")


def test_threads_sleep_while_they_wait_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert job_environment.variables(None, 2, 1)["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert job_environment.variables(None, 2, 1)["OMP_WAIT_POLICY"] == "ACTIVE"


def test_without_a_gpu_one_job_may_still_run_the_model() -> None:
    with pytest.raises(
        InputError, match=r"^--resources gpu=0: a job that runs the model takes one, .*: give gpu=1"
    ):
        Cores(2, 0, 1)


def test_a_job_about_many_neurons_takes_all_cores() -> None:
    assert Cores(6, 2, 1).for_neurons(192) == 1
    assert Cores(6, 2, 1).for_neurons(18_432) == 6
