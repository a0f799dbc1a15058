"""One process of `hardware.local_workers=N`; `trainrun.run.local_workers` starts it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from trainrun.checkpoint.resume_point import Resume
from trainrun.config import plugins
from trainrun.errors import TrainingError, UserError
from trainrun.run import local_workers, runner
from trainrun.run.context import RunContext
from trainrun.ui import console
from trainrun.util import subprocesses
from trainrun.util.interrupt import Interrupted


def _work(run_dir: Path, report: int) -> int:
    """Run one worker: read the request from standard input, run it, report errors; return the exit code."""
    request = json.load(sys.stdin)
    # A resumed run would write to the same files.
    subprocesses.end_with(request["parent"], local_workers.GRACE_S)
    if os.environ[local_workers.WORKER_VARIABLE] != "0":
        console.quiet()
    errors: dict[str, Any] = {}
    try:
        plugins.announce(request["config"]["plugins"])
        plugins.load(request["config"]["plugins"])
        fields = request.get("resume")
        resume = fields and Resume(**{**fields, "run_dir": Path(fields["run_dir"])})
        runner.run(
            request["config"],
            run_dir,
            request["overrides"],
            request["command"],
            resume,
            context=RunContext(own_process=True),
        )
        code = 0
    except UserError as error:
        code, errors = error.exit_code, {"problems": [[p.key, p.message] for p in error.problems]}
    except TrainingError as error:
        code, errors = error.exit_code, {"message": str(error)}
    except Interrupted as stop:
        code = stop.exit_code
    with contextlib.suppress(BrokenPipeError), open(report, "w", encoding="utf-8") as pipe:
        json.dump(errors, pipe)  # the parent process may have died
    return code


if __name__ == "__main__":
    ended = _work(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    # Without Python's cleanup, in which TensorFlow would wait for workers that have died.
    os._exit(ended)
