"""Launchers whose workers see the sweep's directory: messages are files there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from trainrun.sweep.launchers.cluster_engine import ClusterEngine, Job, Received
from trainrun.sweep.launchers.file_channel import POLL_INTERVAL_S, SILENCE_S, SweepEnd
from trainrun.sweep.launchers.protocol import Epoch
from trainrun.sweep.trial import Trial


class FileEngine(ClusterEngine):
    """Hears its workers by files in the sweep's directory."""

    silence = SILENCE_S

    def __init__(self, settings: Mapping[str, Any], jobs: int):
        super().__init__(settings, jobs)
        self._channel: SweepEnd | None = None

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Begin a trial; there must be room."""
        if self._channel is None:
            self._channel = SweepEnd(trial.run_dir.parent, self.silence)
        super().start(trial, resume)

    def channel(self, trial: Trial) -> Mapping[str, Any]:
        """Return what the worker's end of the channel needs."""
        return self._channel.open(trial.number)

    def receive(self, seconds: float) -> Iterator[Received]:
        """Yield the messages of the workers."""
        until, any_said = time.monotonic() + seconds, False
        while self._jobs and not any_said and time.monotonic() < until:
            self._channel.beat()
            for job in self._jobs:
                number = job.trial.number
                for line, message in self._channel.receive(number):
                    any_said = True
                    yield job, message, partial(self._answer, number, line, isinstance(message, Epoch))
            if not any_said:
                time.sleep(POLL_INTERVAL_S)

    def order(self, job: Job, word: str) -> None:
        """Order a worker to stop or kill its trial."""
        self._channel.order(job.trial.number, word)

    def close(self) -> None:
        """Take the files away."""
        if self._channel is not None:
            self._channel.close()

    def _answer(self, number: int, line: int, wanted: bool, answer: Any) -> None:
        if wanted and self.answers:
            self._channel.answer(number, line, answer)
