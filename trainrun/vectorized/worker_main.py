"""A process in which trials are trained together: it receives trials and reports their epochs and ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from trainrun.run.context import RunContext, SharedCaches
from trainrun.sweep.launchers import trial_process
from trainrun.sweep.launchers.pipe_channel import PipeChannel
from trainrun.sweep.launchers.protocol import Begun, GroupTask, Note, TrialTask
from trainrun.util.interrupt import Interrupted

LOG = "vectorized.log"  # in the sweep's directory: output that belongs to no trial


def main(task: GroupTask, pipe: Connection) -> None:
    """Run the trials that arrive by the pipe, all at once; never returns.

    Args:
        task: of the process.
        pipe: to the sweep; see `protocol`.
    """
    trial_process.print_into(Path(task.sweep_dir) / LOG)
    # Before plug-ins are loaded: the trials that arrive meanwhile begin together.
    channel = PipeChannel(pipe)
    with trial_process.prepared(Path(task.sweep_dir) / "0", task.plugins) as remarks:
        _Trials(task, channel, remarks).run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class _Trials:
    """The trials of the process.

    Args:
        task: see `main`.
        channel: to the sweep.
        remarks: for the log and record of each trial.
    """

    def __init__(self, task: GroupTask, channel: PipeChannel, remarks: Sequence[str]):
        from trainrun.vectorized.group import Group

        self._channel, self._remarks = channel, remarks
        self._caches = SharedCaches.of_process(programs=False)
        self._group = Group(lambda text: channel.say(Note(text)), task.most, task.part)
        self._open, self._numbers = True, {}

    def run(self) -> None:
        """Run trials until there are none left and no more will come."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        while True:
            self._receive()
            if not self._group.runs:
                if not self._open:
                    return
                continue
            while not self._channel.stops.empty():
                self._stop(self._channel.stops.get())
            self._group.round()

    def _receive(self) -> None:
        """Accept the trials that have arrived; wait for one if there are none."""
        while self._open and (not self._group.runs or not self._channel.tasks.empty()):
            trial = self._channel.tasks.get()
            if trial is None:
                self._open = False
            else:
                self._add(trial)

    def _add(self, trial: TrialTask) -> None:
        from trainrun.vectorized.group import Run

        context = trial_process.context_of(trial, self._channel, self._caches, self._remarks)
        log = Path(trial.run_dir) / "run.log"
        train = partial(self._train, trial)
        run = Run(f"trial {trial.number}", train, context, partial(trial_process.print_into, log))
        self._numbers[trial.number] = run
        self._group.add(run)

    def _train(self, trial: TrialTask, context: RunContext) -> None:
        self._channel.say(Begun(trial.number))
        _, ended = trial_process.train(trial, context)
        sys.stdout.flush()
        sys.stderr.flush()
        self._channel.say(ended)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self._channel.stops.put(None)

    def _stop(self, number: int | None) -> None:
        for key, run in self._numbers.items():
            if number in (None, key) and not run.ended:
                run.context.stop.ask(Interrupted(signal.SIGTERM))
