"""A trial's process on this machine: runs the trial, reports to the sweep, and ends when the sweep's process has died."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun.run.context import RunContext, SharedCaches
from trainrun.sweep.launchers.pipe_channel import PipeChannel
from trainrun.sweep.launchers.protocol import Begun, Ended, Epoch, TrialTask

if TYPE_CHECKING:
    from trainrun.checkpoint.resume_point import Resume


def main(task: TrialTask, pipe: Connection) -> None:
    """Run a trial in a process that was forked for it, and others like it if there are; never returns.

    Args:
        task: the first trial.
        pipe: to the sweep.
    """
    running = threading.Event()
    running.set()

    def lost() -> None:
        if running.is_set():  # the sweep's process has died: the trial saves its state and exits
            os.kill(os.getpid(), signal.SIGTERM)

    channel, cwd = PipeChannel(pipe, lost), os.getcwd()
    caches = SharedCaches.of_process(programs=True) if task.stays else None
    while True:
        running.set()
        os.chdir(cwd)  # the trial before may have changed it
        print_into(Path(task.run_dir) / "run.log")
        context = context_of(task, channel, caches)
        channel.say(Begun(task.number))
        code, ended = run(task, context)
        sys.stdout.flush()
        sys.stderr.flush()
        stays = task.stays and code == 0  # a failed trial may have left side effects
        running.clear()
        channel.say(replace(ended, stays=stays))
        if not stays or (task := channel.tasks.get()) is None:
            # At once: Python's shutdown would wait for threads of libraries.
            os._exit(code)


def context_of(
    task: TrialTask, channel: PipeChannel, caches: SharedCaches | None, remarks: Sequence[str] = ()
) -> RunContext:
    """Return the context of a trial, whose record the sweep's own process has delivered.

    Args:
        task: the trial.
        channel: to the sweep, for a message after each epoch.
        caches: shared with other trials of the process.
        remarks: for its log and record.
    """

    def report(number: int, metrics: Mapping[str, float], last: bool) -> str | None:
        epoch = Epoch(task.number, number, dict(metrics), last)
        if task.asks:
            return channel.ask(epoch, lambda: context.stop.pending is not None)
        return channel.say(epoch)

    context = RunContext(listener=report, caches=caches, delivers=False, own_process=True, remarks=remarks)
    return context


def run(task: TrialTask, context: RunContext) -> tuple[int, Ended]:
    """Run a trial to its end.

    Args:
        task: the trial.
        context: of the run.

    Returns:
        The exit code, and how the trial has ended.
    """
    try:
        with prepared(Path(task.run_dir), task.plugins) as remarks:
            return train(task, replace(context, remarks=remarks))
    except BaseException as error:
        return 1, Ended(task.number, "FAILED", f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def prepared(run_dir: Path, named: Sequence[str]) -> Iterator[list[str]]:
    """Prepare the process for trials: quiet, with the sweep's options and plug-ins loaded.

    Args:
        run_dir: of a trial of the sweep; it need not exist.
        named: plug-ins.

    Yields:
        Remarks for the log and record of each run: changes of the code since the sweep began.
    """
    from trainrun.config import plugins
    from trainrun.sweep import snapshot
    from trainrun.ui import console

    console.quiet()
    code = snapshot.near(run_dir) or snapshot.Code()
    with code.used():
        plugins.announce(named)
        plugins.load(named)
        yield code.edits()


def train(task: TrialTask, context: RunContext) -> tuple[int, Ended]:
    """Train a trial in a process that is `prepared`; see `run`."""
    from trainrun.errors import TrainingError, UserError
    from trainrun.run import runner
    from trainrun.util.interrupt import Interrupted

    run_dir = Path(task.run_dir)
    try:
        runner.run(task.config, run_dir, task.overrides, task.command, resume=_resume(task), context=context)
    except (UserError, TrainingError) as error:
        return error.exit_code, Ended(task.number, "FAILED", str(error))
    except Interrupted as stop:
        return stop.exit_code, Ended(task.number, stop.status, str(stop))
    except SystemExit as end:
        reason = f"something in the trial called sys.exit({end.code!r})"
        return 1, Ended(task.number, "FAILED", reason)
    except BaseException as error:
        return 1, Ended(task.number, "FAILED", f"{type(error).__name__}: {error}")
    return 0, Ended(task.number, "FINISHED")


def _resume(task: TrialTask) -> Resume | None:
    if task.resume is None:
        return None
    from trainrun.checkpoint.resume_point import Resume

    take_over = bool(task.resume.get("take_over"))
    return Resume(Path(task.run_dir), [], task.resume.get("data_sha256"), take_over=take_over)


def print_into(path: Path) -> None:
    """Redirect standard output and error, those of C++ libraries too, into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for standard in (1, 2):
        os.dup2(file, standard)
    os.close(file)
