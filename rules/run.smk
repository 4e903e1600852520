# What a run does besides its jobs: it keeps others out of its folder, and says what it will take, where it is, and what
# came out.
import time

from n2g.workflow import benchmark_files, clock, run_lock, run_report
from n2g.workflow.machine import find_device
from n2g.workflow.paths import check_folder
from n2g.workflow.readable_log import jobs_to_do, make_readable

BEGIN = time.monotonic()
RUN_FOLDER = Path("results", RUN)
DESCRIBED = len(config["poles"]) * sum(len(block.neurons) for _, block in SELECTED)


def outcome(since=None):
    """What came out, where the target is the whole run."""
    whole = set(workflow.dag_settings.targets) <= {"all"}
    return run_report.outcome(RUN_FOLDER, f"{DESCRIBED} {KIND}", since) if whole else ""


if workflow.is_main_process:
    if not workflow.output_settings.dryrun:
        with exit_with_sentence():
            for name in ("results", "resources", ".snakemake"):
                check_folder(Path(name))
            run_lock.hold(Path(".snakemake"))
        clock.date_back(clock.results_of(RUN_FOLDER, Path("resources")))
    make_readable(
        logger,
        workflow.output_settings,
        lambda: benchmark_files.mean_seconds(benchmark_files.costs_so_far(RUN_FOLDER / "benchmarks")),
        outcome,
    )


onstart:
    # Hours of other stages come before the first drawing. What jobs find elsewhere is not known here.
    if workflow.local_exec:
        with exit_with_sentence():
            find_program(config["dot"])
        # Snakemake's limit of jobs per second is for clusters. It makes each look for jobs that can start bring another one
        # a second later, besides those that every finished job brings: after 100 jobs this took a fifth of a core.
        workflow.scheduler.job_rate_limiter = None
    jobs = jobs_to_do(workflow.dag.stats()[1])
    logger.info(
        run_report.beginning(jobs, DESCRIBED, RUN_FOLDER, find_device(config["device"]), CORES, KIND)
    )


onsuccess:
    logger.info(outcome(BEGIN))


onerror:
    logger.info("What is finished is kept: the same command goes on from there.")
