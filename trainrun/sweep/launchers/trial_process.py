"""One trial in a process of its own: runs it, says how it ended, and ends when the sweep is gone."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.run.context import RunContext, SharedCaches
from trainrun.util.interrupt import StopRequest

if TYPE_CHECKING:
    from trainrun.checkpoint.resume_point import Resume
    from trainrun.run.progress_channel import Listener

# Seconds to wait for what the sweep says to an epoch. It answers in less than a thousandth, unless the machine has much else
# to do, or it was suspended; that it is gone is noticed at once.
ANSWER = 60.0
LOOK = 0.2  # seconds between two looks whether the trial is to end meanwhile


def main(told: Mapping[str, Any], pipe: Connection) -> None:
    """Run a trial in a process that was forked for it, and others like it if there are; never returns.

    Args:
        told: see `run`; and `environment`, `path`, `cwd`, `asks`: whether the sweep answers to each epoch, and
            `stays`: whether the process waits for another trial, which may share what is compiled.
        pipe: to the sweep.
    """
    os.setsid()  # Ctrl-C in the terminal is the sweep's: it passes it on, once
    # The fork server has the environment that it was started in, which may be another sweep's.
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.path[:0] = [p for p in told["path"] if p not in sys.path]
    line = _Line(pipe)
    caches = SharedCaches.of_process(programs=True) if told["stays"] else None
    while True:
        os.chdir(told["cwd"])
        print_into(Path(told["run_dir"]) / "run.log")
        context = context_of_trial(line.report, caches)
        line.begin(told["asks"], context.stop)
        code, said = run(told, context)
        sys.stdout.flush()
        sys.stderr.flush()
        stays = told["stays"] and code == 0  # what has failed may have left anything behind
        with contextlib.suppress(OSError):  # nobody listens any more
            line.end({**said, "stays": stays})
        if not stays or (told := line.next()) is None:
            # At once: on the way out of Python, threads of libraries would be waited for.
            os._exit(code)


class _Line:
    """The trial's end of the pipe: says what it has reached, hears what it is to do, notices when nobody is there.

    Args:
        pipe: to the sweep.
    """

    def __init__(self, pipe: Connection):
        self._pipe, self._asks, self._busy = pipe, False, True
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._owed = 0  # answers that have not come yet
        self._trials: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._stop = StopRequest()
        threading.Thread(target=self._listen, daemon=True).start()

    def begin(self, asks: bool, stop: StopRequest) -> None:
        """Announce that a trial begins.

        Args:
            asks: whether the sweep answers to each epoch.
            stop: the request to stop the trial, which is no reason to wait for an answer.
        """
        self._asks, self._busy, self._answers, self._owed = asks, True, queue.Queue(), 0
        self._stop = stop
        with contextlib.suppress(OSError):
            self._pipe.send({"begun": True})

    def end(self, said: Mapping[str, Any]) -> None:
        """Say how the trial has ended."""
        self._busy = False
        self._pipe.send(said)

    def next(self) -> Mapping[str, Any] | None:
        """Wait for another trial; None: there is none."""
        return self._trials.get()

    def report(self, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        """Say what an epoch has come to; return why to stop, or None."""
        with contextlib.suppress(OSError):
            self._pipe.send({"epoch": epoch, "metrics": dict(metrics), "last": last})
            self._owed += self._asks
        until = time.monotonic() + ANSWER
        # Each epoch is answered, in turn. What came late was said to an earlier epoch: if it is to stop, that is as good; if
        # not, it is no answer to this one.
        while self._owed and time.monotonic() < until and self._stop.pending is None:
            with contextlib.suppress(queue.Empty):
                answer = self._answers.get(timeout=LOOK)
                self._owed -= 1
                if answer is not None:
                    return answer
        return None

    def _listen(self) -> None:
        try:
            while (said := self._pipe.recv()) is not None:
                if "answer" in said:
                    self._answers.put(said["answer"])
                else:
                    self._trials.put(said)
        except (EOFError, OSError):  # the sweep's process is gone: end in order
            if self._busy:
                os.kill(os.getpid(), signal.SIGTERM)
        self._trials.put(None)


def context_of_trial(listener: Listener, caches: SharedCaches | None) -> RunContext:
    """Return the context of a trial in a process for trials; the sweep's own process has all of them delivered."""
    return RunContext(listener=listener, caches=caches, delivers=False, pause_collector=True)


def run(told: Mapping[str, Any], context: RunContext) -> tuple[int, dict[str, Any]]:
    """Run a trial, in whatever process an engine has for it.

    Args:
        told: `config`, `run_dir`, `overrides`, `command`, `plugins`, `resume`.
        context: of the run.

    Returns:
        The exit code, and `status` and `reason` of its end.
    """
    try:
        with prepared(Path(told["run_dir"]), told["plugins"]) as remarks:
            return ended(told, replace(context, remarks=remarks))
    except BaseException as error:
        return 1, {"status": "FAILED", "reason": f"{type(error).__name__}: {error}"}


@contextlib.contextmanager
def prepared(run_dir: Path, named: Sequence[str]) -> Iterator[list[str]]:
    """Make the process one in which trials run: quiet, with the sweep's own code and plug-ins.

    Yields:
        Remarks for the log and record of each run: what has changed in the code since the sweep began.

    Args:
        run_dir: of a trial, or where one of the sweep would be.
        named: plug-ins.
    """
    from trainrun.config import plugins
    from trainrun.sweep import snapshot as sweep_code
    from trainrun.ui import console

    console.quiet()
    began_with = sweep_code.near(run_dir) or sweep_code.Code()
    with began_with.used():
        plugins.announce(named)
        plugins.load(named)
        yield began_with.edits()


def ended(told: Mapping[str, Any], context: RunContext) -> tuple[int, dict[str, Any]]:
    """Run a trial to its end; see `run`."""
    from trainrun.errors import TrainingError, UserError
    from trainrun.run import runner
    from trainrun.util.interrupt import Interrupted

    try:
        runner.run(
            told["config"],
            Path(told["run_dir"]),
            told["overrides"],
            told["command"],
            resume=_resume(told),
            context=context,
        )
    except (UserError, TrainingError) as error:
        return error.exit_code, {"status": "FAILED", "reason": str(error)}
    except Interrupted as stop:
        return stop.exit_code, {"status": stop.status, "reason": str(stop)}
    except SystemExit as end:
        return 1, {"status": "FAILED", "reason": f"something in the trial called sys.exit({end.code!r})"}
    except BaseException as error:
        return 1, {"status": "FAILED", "reason": f"{type(error).__name__}: {error}"}
    return 0, {"status": "FINISHED"}


def _resume(told: Mapping[str, Any]) -> Resume | None:
    if told.get("resume") is None:
        return None
    from trainrun.checkpoint.resume_point import Resume

    return Resume(Path(told["run_dir"]), [], told["resume"].get("data_sha256"))


def print_into(path: Path) -> None:
    """Have whatever anybody prints, C++ too, in the trial's log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for standard in (1, 2):
        os.dup2(file, standard)
    os.close(file)
