"""The hook by which an engine trains several runs in one graph.

An engine (`trainrun.sweep.launchers.interface`) that trains runs together passes its `JointTraining` in the `RunContext`. It
makes sure that variables hold their values before callbacks read them; no package below this one knows about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from trainrun.checkpoint.training_state import Reader, StateReader
from trainrun.trainer.measure import measure

if TYPE_CHECKING:
    import keras

    from trainrun.data.dataset import Split
    from trainrun.trainer.job import Job


class Trainer(Protocol):
    """Trains a job in place."""

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Return the history: name -> one value an epoch."""


class JointTraining(Protocol):
    """Trains, evaluates and reads the model of a run, possibly together with the models of other runs."""

    def runs(self) -> int:
        """Return the number of runs that are trained together now."""

    def trainer(self, own: Trainer) -> Trainer:
        """Return the trainer that takes the place of the run's own."""

    def measure(self, job: Job, split: Split) -> dict[str, float]:
        """Return the loss and metrics of the job's model on a split."""

    def reader(self, job: Job) -> StateReader:
        """Return the reader of the model's state for checkpoints."""


class Solo:
    """The hook of a run that is trained by itself."""

    def runs(self) -> int:
        """Return 1."""
        return 1

    def trainer(self, own: Trainer) -> Trainer:
        """Return the run's own trainer."""
        return own

    def measure(self, job: Job, split: Split) -> dict[str, float]:
        """See `trainrun.trainer.measure`."""
        return measure(job, split)

    def reader(self, job: Job) -> StateReader:
        """Return a compiled reader, which is kept beside the model for the next trial of a sweep."""
        if job.state.reader is None:
            job.state.reader = Reader(job.model)
        return job.state.reader
