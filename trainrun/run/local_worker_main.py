"""One process of `hardware.local_workers=N`; `trainrun.run.local_workers` starts it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.checkpoint.resume_point import Resume
from trainrun.config import plugins
from trainrun.errors import TrainingError, UserError
from trainrun.run import local_workers, runner
from trainrun.run.context import RunContext
from trainrun.ui import console
from trainrun.util.interrupt import Interrupted


def _resume(fields: Mapping[str, Any] | None) -> Resume | None:
    return None if fields is None else Resume(**{**fields, "run_dir": Path(fields["run_dir"])})


def _end_with(parent: int) -> None:
    """End this worker when its parent process is gone: its results go nowhere, and a resumed run would collide with it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(local_workers.INTERVAL)
        os.kill(os.getpid(), signal.SIGTERM)  # in order, if it can
        time.sleep(local_workers.GRACE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(run_dir: Path, report: int) -> int:
    """Run one worker: read the request from standard input, run it, report errors; return the exit code."""
    request = json.load(sys.stdin)
    _end_with(request["parent"])
    if os.environ[local_workers.MARK] != "0":
        console.quiet()
    errors: dict[str, Any] = {}
    try:
        plugins.announce(request["config"]["plugins"])
        plugins.load(request["config"]["plugins"])
        resume = _resume(request.get("resume"))
        runner.run(
            request["config"],
            run_dir,
            request["overrides"],
            request["command"],
            resume,
            context=RunContext(pause_collector=True),
        )
        code = 0
    except UserError as error:
        code, errors = error.exit_code, {"problems": [[p.key, p.message] for p in error.problems]}
    except TrainingError as error:
        code, errors = error.exit_code, {"message": str(error)}
    except Interrupted as stop:
        code = stop.exit_code
    with open(report, "w", encoding="utf-8") as pipe:
        json.dump(errors, pipe)
    return code


if __name__ == "__main__":
    ended = _work(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: on the way out of Python, TensorFlow would wait for workers that are gone.
    os._exit(ended)
