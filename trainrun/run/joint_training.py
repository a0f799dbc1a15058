"""The seam for training several runs in one graph: what such an engine does in the place of a run that trains alone.

An engine (`trainrun.sweep.launchers.interface`) that trains runs together passes its own `JointTraining` in the `RunContext`. It
sees to it that variables hold what callbacks may read of them; nothing below this package knows of it.
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
    """Trains, measures and reads a run's model, maybe together with those of other runs."""

    def runs(self) -> int:
        """Return how many runs are trained together now."""

    def trainer(self, own: Trainer) -> Trainer:
        """Return what trains the run in the place of its own trainer."""

    def measure(self, job: Job, split: Split) -> dict[str, float]:
        """Return the loss and metrics of the job's model on a split."""

    def reader(self, job: Job) -> StateReader:
        """Return what reads the state of the job's model for checkpoints."""


class Solo:
    """A run that is trained by itself."""

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
        """Return a compiled reader; it is kept beside the model, for a sweep's next trial."""
        if job.state.reader is None:
            job.state.reader = Reader(job.model)
        return job.state.reader
