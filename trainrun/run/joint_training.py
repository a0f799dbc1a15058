"""Whether the run of this thread is trained alone, or in the company of others: then others do its passes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras

    from trainrun.data.dataset import Split

BEHIND = "_trainrun_behind"  # of a model: writes its variables
_here = threading.local()


class Place(Protocol):
    """A run's place among those that are trained together."""

    def runs(self) -> int:
        """Return how many they are now."""

    def trainer(self, own: Any) -> Any:
        """Return what trains the run in the place of its own trainer."""

    def measure(self, model: keras.Model, split: Split, batch_size: int) -> dict[str, float] | None:
        """Return the loss and metrics of the model on a split; None: it has to be done alone."""


def join(place: Place | None) -> None:
    """Have the run of this thread be trained with others; None: alone."""
    _here.place = place


def place() -> Place | None:
    """Return the place that this thread's run has among others; None: it is alone."""
    return getattr(_here, "place", None)


def trainer(own: Any) -> Any:
    """Return what trains a run: its own trainer, or what trains it with others."""
    here = place()
    return own if here is None else here.trainer(own)


def values(model: keras.Model) -> list[Any] | None:
    """Return what a model's variables would hold if they did not lag behind: weights, optimizer, metrics; None: they do not."""
    behind = getattr(model, BEHIND, None)
    return None if behind is None else behind.values()


def updates(model: keras.Model) -> int:
    """Return how many updates a model's optimizer has done."""
    return int(number(model, model.optimizer.iterations))


def number(model: keras.Model | None, variable: Any) -> float:
    """Return what a variable of one number holds, or would hold if it did not lag behind its model."""
    behind = getattr(model, BEHIND, None)
    found = None if behind is None else behind.number(variable)
    if found is None:
        import keras

        # Not float(…): a variable that several replicas share has no such conversion.
        found = keras.ops.convert_to_numpy(variable)
    return found.item()


def catch_up(model: keras.Model) -> None:
    """See that a model's variables hold what it has come to: of runs that are trained with others, they may lag behind."""
    if (behind := getattr(model, BEHIND, None)) is not None:
        behind()


def catch_up_numbers(model: keras.Model) -> None:
    """See that the optimizer's counters and rates hold what they have come to; the others may still lag behind."""
    if (behind := getattr(model, BEHIND, None)) is not None:
        behind.numbers()
