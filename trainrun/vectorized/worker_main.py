"""The process in which trials are trained together: hears of trials, tells of epochs and ends, trial by trial."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from trainrun.run.context import RunContext, SharedCaches
from trainrun.sweep.launchers import trial_process as single
from trainrun.util.interrupt import Interrupted

LOG = "vectorized.log"  # in the sweep's directory: what belongs to no trial


def main(told: Mapping[str, Any], pipe: Connection) -> None:
    """Run the trials that come by the pipe, as many at once as there are; never returns.

    Args:
        told: `environment`, `path`, `cwd`, `sweep_dir`, `plugins`, `most` and `part`: see `group.Group`, `asks`.
        pipe: to the sweep. In: ``{"trial": …}`` as `sweep.child.run` wants it, with its `number`; ``{"stop": number}``;
            ``{"answer": …, "number": …}``; None: there will be no more. Out: ``begun``, ``epoch``, ``ended``, with the `number`;
            ``said``.
    """
    os.setsid()
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.path[:0] = [p for p in told["path"] if p not in sys.path]
    os.chdir(told["cwd"])
    single.print_into(Path(told["sweep_dir"]) / LOG)
    line = _Line(pipe)
    with single.prepared(Path(told["sweep_dir"]) / "0", told["plugins"]) as remarks:
        _Trials(line, told, remarks).run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class _Line:
    """The process's end of the pipe.

    Args:
        pipe: to the sweep.
    """

    def __init__(self, pipe: Connection):
        self._pipe = pipe
        self.trials: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self.stops: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._answers: dict[int, queue.SimpleQueue[str | None]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, **said: Any) -> None:
        """Tell the sweep something."""
        with contextlib.suppress(OSError):  # the sweep's process is gone
            self._pipe.send(said)

    def epoch(
        self, number: int, asks: bool, epoch: int, metrics: Mapping[str, float], last: bool
    ) -> str | None:
        """Say what an epoch of a trial has come to; return why to stop, or None."""
        answers = self._answers[number] = queue.SimpleQueue()
        self.say(number=number, epoch=epoch, metrics=dict(metrics), last=last)
        with contextlib.suppress(queue.Empty):
            return answers.get(timeout=single.ANSWER) if asks else None
        return None

    def _listen(self) -> None:
        try:
            while (said := self._pipe.recv()) is not None:
                if "answer" in said:
                    if (answers := self._answers.get(said["number"])) is not None:
                        answers.put(said["answer"])
                elif "stop" in said:
                    self.stops.put(said)
                    for number, answers in list(self._answers.items()):
                        if said["stop"] in (None, number):
                            answers.put(None)  # it waits no longer for what is said to its epoch
                else:
                    self.trials.put(said["trial"])
        except (EOFError, OSError):  # the sweep's process is gone: end in order
            self.stops.put({"stop": None})
            for answers in list(self._answers.values()):
                answers.put(None)
        self.trials.put(None)


class _Trials:
    """The trials of the process.

    Args:
        line: to the sweep.
        told: see `main`.
        remarks: for the log and record of each trial.
    """

    def __init__(self, line: _Line, told: Mapping[str, Any], remarks: Sequence[str]):
        from trainrun.vectorized.group import Group

        self._line, self._told, self._remarks = line, told, remarks
        self._caches = SharedCaches.of_process(programs=False)
        self._group = Group(lambda text: line.say(said=text), told["most"], told["part"])
        self._open, self._numbers = True, {}

    def run(self) -> None:
        """Run them until there are none, and will be none."""
        signal.signal(signal.SIGTERM, self._hurry)
        while True:
            self._take()
            if not self._group.runs:
                if not self._open:
                    return
                continue
            while not self._line.stops.empty():
                self._stop(self._line.stops.get()["stop"])
            self._group.round()

    def _take(self) -> None:
        """Take in the trials that have come; wait for one if there are none."""
        while self._open and (not self._group.runs or not self._line.trials.empty()):
            trial = self._line.trials.get()
            if trial is None:
                self._open = False
            else:
                self._add(trial)

    def _add(self, trial: Mapping[str, Any]) -> None:
        from trainrun.vectorized.group import Run

        number = trial["number"]
        context = single.context_of_trial(partial(self._line.epoch, number, self._told["asks"]), self._caches)
        context.remarks = self._remarks
        log = Path(trial["run_dir"]) / "run.log"
        run = Run(f"trial {number}", partial(self._story, trial), context, partial(single.print_into, log))
        self._numbers[number] = run
        self._group.add(run)

    def _story(self, trial: Mapping[str, Any], context: RunContext) -> None:
        number = trial["number"]
        self._line.say(number=number, begun=True)
        _, said = single.ended(trial, context)
        sys.stdout.flush()
        sys.stderr.flush()
        self._line.say(number=number, ended=said)

    def _hurry(self, number: int, frame: FrameType | None) -> None:
        self._line.stops.put({"stop": None})

    def _stop(self, number: int | None) -> None:
        for key, run in self._numbers.items():
            if number in (None, key) and not run.ended:
                run.context.stop.ask(Interrupted(signal.SIGTERM))
