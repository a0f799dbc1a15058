"""The orders of the epochs; that of a large first one is computed in a thread, while the model is compiled."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from trainrun.trainer.job import Plan
from trainrun.trainer.pipeline import order
from trainrun.util import background

if TYPE_CHECKING:
    import numpy as np

# Examples whose order takes so long (30 ms) that it is computed in a thread: for threads, glibc keeps what a thread has freed, twice the order.
LARGE = 1_000_000


class Orders:
    """Orders as of `pipeline.order`.

    Only the first is computed ahead: while training, its temporary arrays would come on top of the most memory that a run takes.

    Args:
        plan: seed, batch size, steps.
        examples: in the training split.
        first: the epoch to begin with.
    """

    def __init__(self, plan: Plan, examples: int, first: int) -> None:
        self._plan, self._examples = plan, examples
        self._ahead: dict[int, Future[np.ndarray]] = {}
        if examples >= LARGE:
            self._ahead[first] = background.begin(order, plan, examples, first)

    def of(self, epoch: int) -> np.ndarray:
        """Return the indices of an epoch's examples in order, `[n]` int64."""
        ahead = self._ahead.pop(epoch, None)
        return order(self._plan, self._examples, epoch) if ahead is None else ahead.result()
