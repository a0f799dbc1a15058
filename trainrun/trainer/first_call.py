"""Variables that a user's step would create at its first call, which TensorFlow cannot do on replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

import keras

from trainrun.errors import Problem, UserError
from trainrun.util.places import place

T = TypeVar("T")


class _Unbuilt(Exception):
    """An optimizer is about to be built, for these variables."""

    def __init__(self, optimizer: keras.optimizers.Optimizer, variables: Any):
        super().__init__(optimizer, variables)
        self.optimizer, self.variables = optimizer, variables


def traced(trace: Callable[[], T], optimizers: Iterable[keras.optimizers.Optimizer], strategy: Any) -> T:
    """Trace a step; optimizers that it would build at its first call are built before, outside of the replicas.

    Args:
        trace: traces the step; repeated after each optimizer.
        optimizers: that the step may build.
        strategy: of the replicas.
    """
    waiting = [optimizer for optimizer in optimizers if not optimizer.built]
    while True:
        for optimizer in waiting:
            optimizer.build = _stopping_at(optimizer)
        try:
            return trace()
        except _Unbuilt as found:
            needs = found
        finally:
            for optimizer in waiting:
                del optimizer.build
        waiting.remove(needs.optimizer)
        with strategy.scope(), keras.name_scope(needs.optimizer.name, caller=needs.optimizer):
            needs.optimizer.build(needs.variables)


def _stopping_at(optimizer: keras.optimizers.Optimizer) -> Callable[[Any], NoReturn]:
    def build(variables: Any) -> NoReturn:
        raise _Unbuilt(optimizer, variables)

    return build


def explained(error: Exception, owner: Any) -> UserError | None:
    """Return TensorFlow's error about a variable of the first call as one that says what to do; None: it is another error.

    Args:
        error: of tracing a step.
        owner: the step, a function or an object, or the model.
    """
    if type(error).__name__ != "UnliftableError":  # which TensorFlow does not export
        return None
    of_model = isinstance(owner, keras.Model)
    thing = owner if hasattr(owner, "__name__") else type(owner)
    where = (
        "__init__, build or compile"
        if of_model
        else "__init__, or in build(self, model), which is called before"
    )
    text = f"{place(thing)}: the first step of {thing.__name__} creates a variable, whose initial value would be that of another variable, or which each device would have. Create it in {where}."
    return UserError(Problem("model" if of_model else "trainer.step", text))
