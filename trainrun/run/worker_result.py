"""The record of a worker that is not the chief: a log and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from trainrun.errors import TrainingError
from trainrun.failure.user_traceback import training_error
from trainrun.run.evaluation import Evaluation
from trainrun.trainer.job import Job
from trainrun.ui import console


class WorkerRecord:
    """Takes the place of the chief's `RunRecord` and records nothing.

    Args:
        run_dir: directory of this worker's log.
        job: model, data and plan.
    """

    def __init__(self, run_dir: Path, job: Job):
        self.run_dir = run_dir
        self.job: Job | None = job
        self.failures: list[dict[str, Any]] = []
        self.weights: dict[str, Any] | None = None
        self.evaluation = Evaluation()

    def callback(self) -> keras.callbacks.Callback:
        """Return a callback that does nothing, in place of the journal's."""
        return keras.callbacks.Callback()

    def event(self, event: str, **fields: Any) -> None:
        """Do nothing: the chief does it."""

    def repair_journal(self) -> None:
        """Do nothing: the chief does it."""

    def begin_attempt(self, job: Job, resumed: dict[str, Any]) -> None:
        """Set the job of the next attempt."""
        self.job = job

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Log an exception of the body and raise it as a `TrainingError`."""
        try:
            yield
        except TrainingError:
            raise
        except Exception as error:
            raise training_error(error, self.run_dir) from error
        finally:
            console.detach()

    def add_evaluation(self, job: Job, evaluation: Evaluation) -> None:
        """Do nothing: the chief does it."""

    def save_artifacts(self) -> None:
        """Do nothing: the chief does it."""

    def end(self) -> dict[str, Any]:
        """Return the status; the chief writes the summary."""
        return {"status": "FINISHED"}
