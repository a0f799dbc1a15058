"""A worker that is not the chief: it trains, and leaves nothing but a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from trainrun.errors import TrainingError
from trainrun.failure.user_traceback import broken
from trainrun.run.evaluation import Evaluation
from trainrun.trainer.job import Job
from trainrun.ui import console


class WorkerRecord:
    """Stands where the chief has its `RunRecord`, and writes nothing down.

    Args:
        run_dir: where this worker's log is.
        job: what is trained.
    """

    def __init__(self, run_dir: Path, job: Job):
        self.run_dir = run_dir
        self.job: Job | None = job
        self.failures: list[dict[str, Any]] = []
        self.evaluation = Evaluation()

    def callback(self) -> keras.callbacks.Callback:
        """Return a callback that does nothing, in the place of the journal's."""
        return keras.callbacks.Callback()

    def event(self, event: str, **fields: Any) -> None:
        """Leave it to the chief."""

    def mend(self) -> None:
        """Leave it to the chief."""

    def begin_attempt(self, job: Job, resumed: dict[str, Any]) -> None:
        """Take the job of the next attempt."""
        self.job = job

    @contextmanager
    def true_status(self) -> Iterator[None]:
        """Log what goes wrong."""
        try:
            yield
        except TrainingError:
            raise
        except Exception as error:
            raise broken(error, self.run_dir) from error
        finally:
            console.detach()

    def evaluated(self, job: Job, evaluation: Evaluation) -> None:
        """Leave it to the chief."""

    def save_artifacts(self) -> None:
        """Leave it to the chief."""

    def end(self) -> dict[str, Any]:
        """Return the status; the summary is the chief's."""
        return {"status": "FINISHED"}
