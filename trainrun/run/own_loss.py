"""A plug-in's loss, tried on a few examples: the values that it returns, and what they depend on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.errors import Problem, UserError
from trainrun.registry import lookup
from trainrun.util.places import place


def check(key: str, loss: Any, y: Any, predicted: Any, component: lookup.Component, divided: str) -> None:
    """Try a plug-in's loss on a few examples.

    Args:
        key: of the loss in the config.
        loss: as the model has it.
        y, predicted: labels and predictions.
        component: as registered.
        divided: what divides the run's batches, `hardware=mirrored`; empty: nothing.

    Raises:
        UserError: it is faulty.
    """
    thing = component.load()
    where = thing.call if isinstance(thing, type) and hasattr(thing, "call") else thing
    dtype = getattr(loss, "dtype", None)
    y = tf.convert_to_tensor(y if dtype is None else np.asarray(y).astype(dtype))
    # A copy without the logits that Keras' softmax attaches, of which its own losses take the gradient instead.
    predicted = tf.identity(predicted)
    of_each = loss.call if isinstance(loss, keras.losses.Loss) else loss
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        values = of_each(y, predicted)
    if fault := values_fault(values, y, predicted):
        raise UserError(Problem(key, f"{place(where)}: {component.name} {fault}"))
    if not component.declared.whole_batch and _depends_on_others(of_each, y, predicted, values):
        of_all = f"{place(where)}: what {component.name} returns for"
        if len(np.shape(values)) == 1:
            text = f"{of_all} an example depends on the other examples. {_shapes(y, predicted)}"
            raise UserError(Problem(key, text))
        if divided:
            text = f'{of_all} a batch is not the mean over its examples, and {divided} divides batches. Declare it, register("loss", "{component.name}", whole_batch=True), and train without.'
            raise UserError(Problem(key, text))
    if not tf.convert_to_tensor(values).dtype.is_floating or tape.gradient(values, predicted) is None:
        raise UserError(
            Problem(
                key,
                f"{place(where)}: the gradient of {component.name} by y_pred is undefined, so it cannot be learnt from. argmax, "
                "round, comparisons, integers and numpy have none: compute with keras.ops on y_pred itself.",
            )
        )


def _depends_on_others(of_each: Any, y: Any, predicted: Any, values: Any) -> bool:
    """Return whether a loss for each example, or their mean, is another than that of single examples, and no state is the reason."""
    rank = len(np.shape(values))
    alone = (
        [of_each(y[i : i + 1], predicted[i : i + 1]) for i in range((len(y), 1)[rank])] if rank < 2 else []
    )
    mean = values[:1] if rank == 1 else values
    same = not alone or np.allclose(np.mean(alone), mean, rtol=1e-3, atol=1e-5, equal_nan=True)
    return not same and np.allclose(of_each(y, predicted), values, equal_nan=True)


def values_fault(values: Any, y_true: Any, y_pred: Any) -> str | None:
    """Return what is wrong with the result of a loss or metric function, or None."""
    expected = "expected one number an example, [batch], or one for the batch"
    if values is None:
        return f"returned None; {expected}. Add a return."
    try:
        values = tf.convert_to_tensor(values)
    except (TypeError, ValueError):
        return f"returned {type(values).__name__}; {expected}."
    if not (values.dtype.is_floating or values.dtype.is_integer or values.dtype.is_bool):
        return f"returned values of type {values.dtype.name}; {expected}."
    shape, examples = values.shape, y_pred.shape[0]
    if shape.rank == 0 or (shape[0] == examples and not (shape.rank > 1 and shape[1] == examples)):
        return None
    return f"returned shape {['batch' if n == examples else n for n in shape]}; {expected}. {_shapes(y_true, y_pred)}"


def _shapes(y_true: Any, y_pred: Any) -> str:
    return (
        f"y_true is {['batch', *y_true.shape[1:]]} ({y_true.dtype if isinstance(y_true, np.ndarray) else y_true.dtype.name}), y_pred "
        f"{['batch', *y_pred.shape[1:]]}: bring them to one shape first, as in ops.reshape(y_true, ops.shape(y_pred))."
    )
