"""Engines whose workers see the sweep's directory: they are heard by files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from trainrun.sweep.launchers.cluster_engine import Foreign, Job, Said
from trainrun.sweep.launchers.file_channel import LOOK, SILENCE, Post
from trainrun.sweep.launchers.protocol import Epoch
from trainrun.sweep.trial import Trial


class ByFiles(Foreign):
    """Hears its workers by files in the sweep's directory."""

    silence = SILENCE

    def __init__(self, settings: Mapping[str, Any], jobs: int):
        super().__init__(settings, jobs)
        self._post: Post | None = None

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Begin a trial; there must be room."""
        if self._post is None:
            self._post = Post(trial.run_dir.parent, self.silence)
        super().start(trial, resume)

    def channel(self, trial: Trial) -> Mapping[str, Any]:
        """Return what the worker's end of the channel needs."""
        return self._post.open(trial.number)

    def hear(self, seconds: float) -> Iterator[Said]:
        """Yield what the workers say."""
        until, any_said = time.monotonic() + seconds, False
        while self._jobs and not any_said and time.monotonic() < until:
            self._post.beat()
            for job in self._jobs:
                number = job.trial.number
                for line, message in self._post.said(number):
                    any_said = True
                    yield job, message, partial(self._answer, number, line, isinstance(message, Epoch))
            if not any_said:
                time.sleep(LOOK)

    def order(self, job: Job, word: str) -> None:
        """Tell a worker what its trial is to do."""
        self._post.order(job.trial.number, word)

    def close(self) -> None:
        """Take the files away."""
        if self._post is not None:
            self._post.close()

    def _answer(self, number: int, line: int, wanted: bool, answer: Any) -> None:
        if wanted and self.asked:
            self._post.answer(number, line, answer)
