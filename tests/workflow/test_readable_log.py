"""What a person reads of a run: progress line by line, each failure with its sentence, what came out."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_run import RUN, snakemake

from n2g.files.tables import write_json
from n2g.workflow import run_report
from n2g.workflow.cores import Cores
from n2g.workflow.machine import Device
from n2g.workflow.readable_log import ReadableLog, make_readable

LINE = re.compile(r"^\d\d:\d\d:\d\d  (\d+) of (\d+) done(, about [\d.]+ \w+ left)?: (.*)$", re.MULTILINE)


def test_a_run_says_what_it_takes_where_it_is_and_what_came_out(copied: Path) -> None:
    for made in ("1/00000-00001/render", "atlas"):
        shutil.rmtree(copied / RUN / made)
    (copied / RUN / "logs" / "corpus.log").write_text(
        "a line\nWarning: 3 records of the corpus are left out.\n"
    )
    status, said = snakemake(copied)
    assert status == 0, said
    beginning, _, end = said.partition("Logs:")
    assert "3 for 4 neurons, up to 1 at once" in beginning
    for what in (
        "Device:  the CPU",
        "Time:    about ",
        " GB free; no job has used more",
        "Disk:    about 0.1 GB",
    ):
        assert what in beginning
    progress = LINE.findall(end)
    assert [(done, total) for done, total, *_ in progress] == [("0", "3"), ("1", "3"), ("2", "3")]
    assert progress[0][2], "the time left is known from the first run"
    assert progress[0][3] == "Writing the records of layer 1, neurons 00000-00001"
    assert "Described: 4 neurons in " in end
    assert re.search(r"F1: +0\.\d\d on top test documents; best baseline 0\.\d\d \(", end)
    assert f"Atlas:     {RUN}/atlas" in end
    assert "Warning:   3 records of the corpus are left out." in end
    assert "statistics.parquet" not in said, "files are for the log file"
    (log,) = re.findall(r"^Complete log\(s\): (.*)$", said, re.MULTILINE)
    assert "Reason: Missing output files: " in Path(log).read_text()
    _, verbose = snakemake(copied, "--verbose", "--forcerun", "manifest")
    assert "Reason: Forced execution" in verbose


def test_a_failed_job_shows_its_sentence_and_its_log(copied: Path) -> None:
    shutil.rmtree(copied / RUN / "1/00000-00001/render")
    (copied / RUN / "1/00000-00001/evaluate.parquet").write_bytes(b"cut")
    status, said = snakemake(copied)
    assert status != 0
    after = said.partition("  Failed: Writing the records of layer 1, neurons 00000-00001 (render)\n")[
        2
    ].splitlines()
    assert after[0].startswith(f"{RUN}/1/00000-00001/evaluate.parquet is damaged (")
    assert after[1] == f"Log: {RUN}/logs/render/1/00000-00001.log"
    assert "CalledProcessError" not in said
    assert "the same command goes on from there" in said


def record(event: str | None, message: str = "", **content: object) -> logging.LogRecord:
    """A record of Snakemake."""
    return logging.makeLogRecord({"msg": message, "levelno": logging.INFO, "event": event, **content})


def test_the_time_left_counts_jobs_of_the_same_rule() -> None:
    log = ReadableLog(None, lambda: {"graph": 60.0}, str)
    assert not log.filter(record("run_info", stats={"graph": 10, "atlas": 1, "total": 11}))
    begun = record("job_info", jobid=1, rule_name="graph", rule_msg="Fitting")
    assert log.filter(begun)
    line = log.format(begun)
    assert "0 of 11 done, about 11 min left: Fitting" in line
    assert not log.filter(record("job_finished", job_id=1))
    log.filter(record("run_info", stats={"graph": 1, "atlas": 3, "total": 4}))
    assert log.format(begun).endswith("0 of 4 done: Fitting"), (
        "no estimate where most kinds of jobs are unknown"
    )


@pytest.mark.parametrize("asked", ["verbose", "dryrun", "printshellcmds", "debug_dag"])
def test_who_asks_for_more_gets_snakemakes_own_lines(asked: str) -> None:
    flags = dict.fromkeys(("verbose", "dryrun", "printshellcmds", "debug_dag"), False) | {asked: True}
    logger, handler = logging.Logger("snakemake"), logging.StreamHandler()
    handler.name = "DefaultStreamHandler"
    logger.addHandler(handler)
    make_readable(logger, SimpleNamespace(quiet=None, **flags), dict, str)
    assert handler.formatter is None
    make_readable(logger, SimpleNamespace(quiet=None, **dict.fromkeys(flags, False)), dict, str)
    assert isinstance(handler.formatter, ReadableLog)


def test_the_beginning_of_a_first_run(tmp_path: Path) -> None:
    """Before anything is there: no folder, no times; on a cluster the machine that submits computes nothing."""
    device, jobs = Device(0, "the CPU, as there is no NVIDIA GPU"), {"corpus": 1, "graph": 5}
    said = run_report.beginning(jobs, 0, tmp_path / "no" / "run", device, Cores(None, 1, 1))
    assert "6 for the selected neurons, on other machines" in said
    assert "the CPU" not in said
    assert "not known before the first jobs" in said


def test_the_outcome_names_the_best_baseline_and_what_there_were_warnings_of(tmp_path: Path) -> None:
    scores = {"graph": 0.7, "ngram": 0.4, "token_lookup": 0.5, "window_4": 0.9, "texts_only": 0.69}
    overall = {"top": {name: {"f1": f1} for name, f1 in scores.items()}}
    write_json(tmp_path / "summary.json", {"overall": overall})
    (tmp_path / "logs" / "prune").mkdir(parents=True)
    for number in range(7):
        (tmp_path / "logs" / "prune" / f"{number}.log").write_text(f"Warning: {number}.\nWarning: twice.\n")
    said = run_report.outcome(tmp_path, "192 neurons")
    assert "0.70 on top test documents; best baseline 0.69 (texts only, without querying the model)" in said
    assert said.count("twice.") == 1
    assert said.count("Warning: ") == 6 and "3 more in" in said
    assert run_report.outcome(tmp_path / "elsewhere", "192 neurons") == ""
