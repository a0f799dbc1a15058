"""Parts of a Keras optimizer that its public API does not give: its schedule, its step counter, the parts of a step.

Checked with Keras 3.15.1. Without one of these names the caller raises AttributeError, except where a function says
otherwise. `trainrun.optimizer` besides overrides `_clip_gradients` and `_backend_update_step` of Keras' base class;
`tests/compat/test_keras_optimizer_private.py` holds their signatures.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def rate(optimizer: Any) -> Any:
    """Return an optimizer's learning rate as it is stored: a variable, a schedule or a callable; None if it has none.

    For: telling a schedule from a number, and the rate of the last update from that of the next.
    Public API: `optimizer.learning_rate` computes the schedule's present value.
    Checked: Keras 3.15.1. Missing: None, as for an optimizer without a rate of its own.
    """
    return getattr(optimizer, "_learning_rate", None)


def step_counter(optimizer: Any) -> Any:
    """Return the variable that counts the batches.

    For: wrapped optimizers, whose counter the wrapper moves, and schedules, which go by batches.
    Public API: `optimizer.iterations` is no variable under gradient accumulation, but a quotient.
    Checked: Keras 3.15.1. Missing: AttributeError.
    """
    return optimizer._iterations


def trained_variables(optimizer: Any) -> Sequence[Any]:
    """Return the model's variables that an optimizer was built for.

    For: removing their names from those of the optimizer's own variables.
    Public API: `optimizer.variables` are the optimizer's own only.
    Checked: Keras 3.15.1. Missing: AttributeError when an optimizer's state is read.
    """
    return optimizer._trainable_variables


def averaged_variables(optimizer: Any) -> list[tuple[Any, Any]]:
    """Return the model's variables, each with its moving average, of an optimizer with `use_ema`.

    For: validating the averaged weights.
    Public API: `finalize_variable_values` overwrites the weights, and `SwapEMAWeights` rounds them.
    Checked: Keras 3.15.1. Missing: AttributeError at the first validation.
    """
    return list(zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True))


def clip(optimizer: Any, gradients: Sequence[Any]) -> list[Any]:
    """Return the gradients clipped by the optimizer's arguments.

    For: an optimizer that is wrapped, whose `apply` would also count, accumulate and average.
    Public API: only `apply` clips. Checked: Keras 3.15.1. Missing: AttributeError at the first step.
    """
    return optimizer._clip_gradients(gradients)


def decay_and_update(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Decay the weights and take one update, without clipping, counting, accumulation and averaging.

    For and public API: see `clip`; `update_step` is for one variable on one replica.
    Checked: Keras 3.15.1. Missing: AttributeError at the first step.
    """
    optimizer._apply_weight_decay(variables)
    optimizer._backend_update_step(gradients, variables, optimizer.learning_rate)


def replace_clipping(optimizer: keras.Optimizer, wrap: Callable[[Any], Any]) -> None:
    """Replace how an optimizer clips.

    For: several replicas, where Keras clips each replica's gradient before it sums them.
    Public API: none. Checked: Keras 3.15.1. Missing: AttributeError when the optimizer is built.

    Args:
        optimizer: changed in place.
        wrap: takes the bound method, returns its replacement.
    """
    optimizer._clip_gradients = wrap(optimizer._clip_gradients)


def variable_key(optimizer: keras.Optimizer, variable: Any) -> Any:
    """Return what an optimizer knows a variable by, the same for a Keras variable, its `tf.Variable` and that of a replica.

    For: weights that have settings of their own. Public API: none.
    Checked: Keras 3.15.1. Missing: AttributeError at the first step.
    """
    return optimizer._var_key(variable)


def replace_parts(
    optimizer: keras.Optimizer,
    decay: Callable[..., None],
    update: Callable[..., None] | None,
) -> None:
    """Replace how an optimizer decays weights, and how it updates one of them.

    For: groups of weights with a learning rate of their own, in one optimizer. The class's own methods are looked up at each
    call, because `keras_pure_step_private` replaces them.
    Public API: `update_step`, but nothing for the weight decay.
    Checked: Keras 3.15.1. Missing: AttributeError at the first step.

    Args:
        optimizer: changed in place.
        decay: takes the class's method, bound, and its arguments.
        update: likewise; None: it stays.
    """

    def own(name: str) -> Callable[..., None]:
        return functools.partial(getattr(type(optimizer), name), optimizer)

    optimizer._apply_weight_decay = lambda *args: decay(own("_apply_weight_decay"), *args)
    if update is not None:
        optimizer.update_step = lambda *args: update(own("update_step"), *args)
