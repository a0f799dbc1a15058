"""What a trainer gets: Keras objects, arrays and a plan; no config."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainrun.data.dataset import Dataset, Split
from trainrun.model.cost import Cost
from trainrun.trainer.model_state import ModelState

if TYPE_CHECKING:
    import keras

    from trainrun.checkpoint.start import Start


@dataclass(frozen=True)
class Plan:
    """How long, in what portions and in which order.

    Args:
        epochs: passes over the training data.
        batch_size: examples a step, over all devices.
        steps_per_epoch: steps in one epoch; the last batch may be partial.
        examples: training examples seen in one epoch.
        seed: of the order: the batches of (epoch, step) are a function of it and nothing else.
        shuffle: False keeps the data's own order.
    """

    epochs: int
    batch_size: int
    steps_per_epoch: int
    examples: int
    seed: int
    shuffle: bool = True

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def lengths(self) -> dict[str, int]:
        """Return the run-time values that components may ask for: `total_steps`, `steps_per_epoch`, `epochs`."""
        return {
            "total_steps": self.total_steps,
            "steps_per_epoch": self.steps_per_epoch,
            "epochs": self.epochs,
        }

    @classmethod
    def of(
        cls,
        examples: int,
        epochs: int,
        batch_size: int,
        steps_per_epoch: int | None,
        seed: int,
        shuffle: bool,
    ) -> Plan:
        """Return the plan for so many training examples; `steps_per_epoch` cuts each epoch short."""
        whole = -(-examples // batch_size)
        steps = min(steps_per_epoch or whole, whole)
        return cls(epochs, batch_size, steps, min(examples, steps * batch_size), seed, shuffle)


@dataclass(frozen=True)
class Job:
    """A compiled model with its data, ready to train.

    Args:
        model: compiled; its loss holds the data loss, its `losses` the penalties.
        dataset: as loaded; labels in their canonical form.
        train, validation, test: the splits with labels as the loss wants them and weights (class weights
            multiplied in for the training part).
        plan: lengths, batches, order.
        probabilities: how to turn the model's output into what a reader expects: ``identity``, ``sigmoid``
            or ``softmax``.
        start: where training goes on; None: at its beginning.
        state: what is kept beside the model.
    """

    model: keras.Model
    dataset: Dataset
    train: Split
    validation: Split | None
    test: Split | None
    plan: Plan
    probabilities: str = "identity"
    start: Start | None = None
    state: ModelState = field(default_factory=ModelState)

    def cost(self) -> Cost:
        """Return the cost of the model at the job's batch size."""
        return self.state.cost(self.model, self.plan.batch_size)

    def position(self) -> tuple[int, int]:
        """Return the epoch and the step of it that training begins with, both counted from 0."""
        if self.start is None:
            return 0, 0
        if self.start.over:
            return self.plan.epochs, 0
        return self.start.checkpoint.epoch, self.start.checkpoint.step
