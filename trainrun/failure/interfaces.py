"""Interfaces of the builder and the record of a run, which the package `run` above this one implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from trainrun.failure.adjustments import Adjustments

if TYPE_CHECKING:
    from trainrun.trainer.job import Job


class Builder(Protocol):
    """Builds job, trainer and callbacks of a run; see `trainrun.run.run_builder.RunBuilder`."""

    strategy: Any
    trainer_name: str
    accumulate: int

    def job(self, adjustments: Adjustments) -> Job:
        """Return the job, with the adjustments that failures have led to."""

    def job_on_one_device(self, adjustments: Adjustments) -> Job:
        """Return the same job for the default device of this process."""

    def with_shared_program(self, job: Job, adjustments: Adjustments) -> Job:
        """Return the job with the program that another run of the process has compiled, if it is the same."""

    def trainer(self, job: Job, parts: int) -> Any:
        """Return the trainer of the job; it divides each batch into so many parts at least."""

    def own_trainer(self, job: Job, parts: int) -> Any:
        """Return the configured trainer, even where the run is trained together with others."""

    def callbacks(self, job: Job) -> list[Any]:
        """Return the configured callbacks."""

    def with_run_callbacks(
        self, callbacks: list[Any], journal: Any, job: Job, adjustments: Adjustments
    ) -> list[Any]:
        """Return the run's own callbacks around these."""

    def settle_weights(self, job: Job, callbacks: list[Any]) -> dict[str, Any]:
        """Set the weights of the trained model to those that are the run's; return which."""


class Record(Protocol):
    """The part of a run's record that failures are written to; see `trainrun.run.run_record.RunRecord`."""

    job: Job | None
    failures: list[dict[str, Any]]
    weights: dict[str, Any] | None

    def callback(self) -> Any:
        """Return the callback that writes metrics to the journal."""

    def event(self, event: str, **fields: Any) -> None:
        """Write an event to the journal."""

    def begin_attempt(self, job: Job, resumed: dict[str, Any]) -> None:
        """Set the job of the next attempt."""

    def repair_journal(self) -> None:
        """Reopen the journal after the disk was full."""
