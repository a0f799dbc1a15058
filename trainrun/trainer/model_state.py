"""Data beside a model: its compiled functions, and its cost."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainrun.model.cost import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from trainrun.trainer.compiled_epoch import Pass


def _no_event(event: str, **fields: Any) -> None:
    """Write nothing: the training has no journal."""


@dataclass
class ModelState:
    """The one object beside a model, which follows the model from job to job.

    Args:
        shared: whether the trials of a sweep use the model one after another, with its compiled functions.
        built: the variables of model, optimizer and metrics exist.
        passes: compiled passes by name.
        reset: the compiled `reset_metrics`, and the variables that it resets.
        reader: the compiled reader of the model's variables for checkpoints.
        costs: by batch size, number of variables and optimizer.
        event: writes an event to the journal of the run.
        examples_of_replica: while a step of a replica is traced, the number of its examples that count; else None.
    """

    shared: bool = False
    built: bool = False
    passes: dict[str, Pass] = field(default_factory=dict)
    reset: tuple[Sequence[Any], Callable[[], None]] | None = None
    reader: Any = None
    costs: dict[tuple, Cost] = field(default_factory=dict)
    event: Callable[..., None] = _no_event
    examples_of_replica: Any = None

    @contextlib.contextmanager
    def events(self, write: Callable[..., None]) -> Iterator[None]:
        """Send events to a journal inside the `with`."""
        self.event = write
        try:
            yield
        finally:
            self.event = _no_event

    def cost(self, model: Any, batch_size: int) -> Cost:
        """Return the model's cost at a batch size; it is cached, because computing it takes 10 ms."""
        key = (batch_size, len(model.variables), len(model.trainable_variables), id(model.optimizer))
        if key not in self.costs:
            self.costs[key] = Cost.of(model, batch_size)
        return self.costs[key]
