"""The input of a trainer: Keras objects, arrays and a plan; no config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trainrun.data.dataset import Dataset, Split
from trainrun.model.cost import Cost
from trainrun.trainer.model_state import ModelState
from trainrun.util.clock import Clock

if TYPE_CHECKING:
    import keras

    from trainrun.augment._sequence import Augmentations
    from trainrun.checkpoint.start import Start
    from trainrun.trainer.distillation import Distillation


class Resampled(NamedTuple):
    """Indices of the examples of each class, and how many of each an epoch has."""

    classes: tuple[np.ndarray, ...]
    size: int

    @classmethod
    def of(cls, labels: np.ndarray, resample: str) -> Resampled:
        """Return the classes of labels `[n]`; ``oversample``: as many of each as the largest has, ``undersample``: as the smallest."""
        classes = tuple(np.flatnonzero(labels == i) for i in np.unique(labels))
        sizes = [len(rows) for rows in classes]
        return cls(classes, max(sizes) if resample == "oversample" else min(sizes))


@dataclass(frozen=True)
class Plan:
    """Length, batches and order of the training.

    Args:
        epochs: passes over the training data.
        batch_size: examples per step, over all devices.
        steps_per_epoch: steps in one epoch; the last batch may be partial.
        examples: training examples seen in one epoch.
        seed: of the order; the batch of (epoch, step) depends on nothing else.
        shuffle: False keeps the order of the data.
        resampled: the classes' examples and their number in an epoch, where `trainer.resample` balances them; None: all examples.
        first_epoch: epochs of the phases before this one, with which `epochs` counts; lengths of training are the phase's.
        run_epochs: epochs of all phases; 0: there is one phase.
    """

    epochs: int
    batch_size: int
    steps_per_epoch: int
    examples: int
    seed: int
    shuffle: bool = True
    first_epoch: int = 0
    run_epochs: int = 0
    resampled: Resampled | None = None

    @property
    def shown_epochs(self) -> int:
        """Epochs of the whole run, which messages name."""
        return self.run_epochs or self.epochs

    @property
    def total_steps(self) -> int:
        return (self.epochs - self.first_epoch) * self.steps_per_epoch

    def lengths(self) -> dict[str, int]:
        """Return the run-time values that components can have as arguments: `total_steps`, `steps_per_epoch`, `epochs`."""
        return {
            "total_steps": self.total_steps,
            "steps_per_epoch": self.steps_per_epoch,
            "epochs": self.epochs - self.first_epoch,
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
        """Return the plan for a number of training examples; `steps_per_epoch` shortens each epoch."""
        full = -(-examples // batch_size)
        steps = min(steps_per_epoch or full, full)
        return cls(epochs, batch_size, steps, min(examples, steps * batch_size), seed, shuffle)


@dataclass(frozen=True)
class Job:
    """A compiled model with its data, ready to train.

    Args:
        model: compiled; its loss holds the data loss, its `losses` the penalties.
        dataset: as loaded; labels in their canonical form.
        train, validation, test: the splits, with labels as the loss reads them and weights (class weights multiplied in
            for the training split).
        plan: lengths, batches, order.
        probabilities: the function from the model's output to probabilities: ``identity``, ``sigmoid`` or ``softmax``.
        start: the point to resume from; None: training begins.
        state: compiled functions and other data beside the model.
        augment: changes each training batch as a function of (seed, epoch, step); None: nothing does.
        teacher: how the loss on a teacher's outputs is mixed into that of the training batches; None: there is no teacher.
        validation_sets: further validation sets by name, as `validation`.
        changes_over: a long training changes over to XLA (`trainrun.trainer.change_over`).
        embeds: the model gives vectors of any number of units, no predictions of the target.
        saved: the part of the model that is saved; None: the whole.
        clock: of the run; trainers count the seconds that they wait for batches in it (`INPUT`).
        recipe: returns a text of the config and the data, which decide the programs that are compiled for the job
            (`trainrun.run.program_recipe`); None: the user's own code, or something else, does.
        initial: where the initial weights come from (`trainrun.run.initial`); None: they are drawn.
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
    initial: Any = None
    augment: Augmentations | None = None
    teacher: Distillation | None = None
    validation_sets: Mapping[str, Split] = field(default_factory=dict)
    changes_over: bool = False
    embeds: bool = False
    saved: keras.Model | None = None
    clock: Clock = field(default_factory=Clock)
    recipe: Callable[[], str | None] = lambda: None

    def examples_of_pass(self, split: Split) -> int:
        """Return the number of examples in a pass over a split; an epoch may repeat or leave out some of the training set."""
        return self.plan.examples if split is self.train else len(split)

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
