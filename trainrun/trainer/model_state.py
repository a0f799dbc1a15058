"""What is kept beside a model: its compiled functions, and what has been computed of it once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainrun.model.cost import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainrun.trainer.compiled_epoch import Pass


@dataclass
class ModelState:
    """The one object beside a model; it goes with the model from job to job.

    Args:
        shared: trials of a sweep use the model one after another, with all that is compiled for it.
        built: the variables of model, optimizer and metrics have been created.
        passes: compiled passes, by name.
        reset: the variables that the compiled `reset_metrics` sets, and the function.
        reader: reads the model's variables for checkpoints, compiled.
        costs: by batch size, number of variables and optimizer.
    """

    shared: bool = False
    built: bool = False
    passes: dict[str, Pass] = field(default_factory=dict)
    reset: tuple[Sequence[Any], Callable[[], None]] | None = None
    reader: Any = None
    costs: dict[tuple, Cost] = field(default_factory=dict)

    def cost(self, model: Any, batch_size: int) -> Cost:
        """Return the model's cost at a batch size; counting takes 10 ms, so it is done once."""
        key = (batch_size, len(model.variables), len(model.trainable_variables), id(model.optimizer))
        if key not in self.costs:
            self.costs[key] = Cost.of(model, batch_size)
        return self.costs[key]
