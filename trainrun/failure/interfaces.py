"""What an answer to a failure needs of a run: its builder and its record. The package `run`, above this one, has both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from trainrun.failure.adjustments import Adjustments

if TYPE_CHECKING:
    from trainrun.trainer.job import Job


class Builder(Protocol):
    """Builds what a run trains; see `trainrun.run.run_builder.RunBuilder`."""

    strategy: Any
    trainer_name: str
    accumulate: int

    def job(self, adjustments: Adjustments) -> Job:
        """Return the job, with what failures have made different."""

    def job_on_one_device(self, adjustments: Adjustments) -> Job:
        """Return the same job for this process's default device."""

    def with_shared_program(self, job: Job, adjustments: Adjustments) -> Job:
        """Return the job with what another run of the process has compiled, if it is the same program."""

    def trainer(self, parts: int) -> Any:
        """Return what trains the job; each batch is taken in so many parts at least."""

    def own_trainer(self, parts: int) -> Any:
        """Return the trainer that the config names, even where the run is trained together with others."""

    def callbacks(self, job: Job) -> list[Any]:
        """Return the callbacks that the config names."""

    def with_run_callbacks(
        self, callbacks: list[Any], journal: Any, job: Job, adjustments: Adjustments
    ) -> list[Any]:
        """Return the run's own callbacks around these."""


class Record(Protocol):
    """The run's record, as far as failures are written to it; see `trainrun.run.run_record.RunRecord`."""

    job: Job | None
    failures: list[dict[str, Any]]

    def callback(self) -> Any:
        """Return the callback that writes each epoch down."""

    def event(self, event: str, **fields: Any) -> None:
        """Write an event."""

    def begin_attempt(self, job: Job, resumed: dict[str, Any]) -> None:
        """Take the job of the next attempt."""

    def mend(self) -> None:
        """Make the record writable again after the disk was full."""
