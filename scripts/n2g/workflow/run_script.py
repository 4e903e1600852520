"""How a stage's program runs: it ends with the workflow, and reports a user's error in one sentence."""

from __future__ import annotations

from collections.abc import Callable

from n2g.errors import exit_with_sentence
from n2g.workflow.job_environment import end_with_workflow


def run_script(main: Callable[[], None]) -> None:
    """Run a script's ``main``; on :class:`InputError` print its sentence on stderr and exit with status 1.

    Anything else is a defect of the program, so its traceback is shown. Run by a workflow, it ends with that.
    """
    end_with_workflow()
    with exit_with_sentence():
        main()
