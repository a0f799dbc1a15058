"""One trial in a process of its own: runs it, says how it ended, and ends when the sweep is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def main(told: Mapping[str, Any], pipe: Connection) -> None:
    """Run a trial; never returns.

    Args:
        told: `config`, `run_dir`, `overrides`, `command`, `plugins`, `cwd`, `environment`, `resume`.
        pipe: to the sweep.
    """
    os.setsid()  # Ctrl-C in the terminal is the sweep's: it passes it on, once
    # The fork server has the environment that it was started in, which may be another sweep's.
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["cwd"])
    sys.path[:0] = [p for p in told["path"] if p not in sys.path]
    run_dir = Path(told["run_dir"])
    _print_into(run_dir / "run.log")
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
    code, said = _run(told, run_dir)
    with contextlib.suppress(OSError):  # nobody listens any more
        pipe.send(said)
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: on the way out of Python, threads of libraries would be waited for.
    os._exit(code)


def _run(told: Mapping[str, Any], run_dir: Path) -> tuple[int, dict[str, Any]]:
    from trainrun import console, runner
    from trainrun.config import plugins
    from trainrun.errors import TrainingError, UserError
    from trainrun.interrupt import Interrupted
    from trainrun.tracking import courier

    console.quiet()
    courier.delegate()  # one delivery process serves the whole sweep: that of the sweep's own process
    try:
        plugins.announce(told["plugins"])
        plugins.load(told["plugins"])
        runner.run(told["config"], run_dir, told["overrides"], told["command"], **_resume(told))
    except (UserError, TrainingError) as error:
        return error.exit_code, {"status": "FAILED", "reason": str(error)}
    except Interrupted as stop:
        return stop.exit_code, {"status": "KILLED", "reason": str(stop)}
    except SystemExit as end:
        return 1, {"status": "FAILED", "reason": f"something in the trial called sys.exit({end.code!r})"}
    except BaseException as error:
        return 1, {"status": "FAILED", "reason": f"{type(error).__name__}: {error}"}
    return 0, {"status": "FINISHED"}


def _resume(told: Mapping[str, Any]) -> dict[str, Any]:
    if told.get("resume") is None:
        return {}
    from trainrun.resumed import Resume

    return {"resume": Resume(Path(told["run_dir"]), [], told["resume"].get("data_sha256"))}


def _print_into(path: Path) -> None:
    """Have whatever anybody prints, C++ too, in the trial's log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for standard in (1, 2):
        os.dup2(file, standard)
    os.close(file)


def _watch(pipe: Connection) -> None:
    """End the trial in order when the sweep's process is gone."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
