"""A pure training step: optimizers and branches of Keras, patched so that a step only computes values.

For: the training step of many trials as one graph (`trainrun.vectorized.functional`). Keras has the form for models
(`stateless_call`) and for optimizers on other backends; TensorFlow's optimizers write into `tf.Variable`s, and refuse
`stateless_apply`.
Public API: none. Patches, inside `pure` only: seven methods of `TFOptimizer` become those of its base class, which assign through
`keras.Variable`, whose assignments a `StatelessScope` collects; `tf.cond` and Keras' `cond` compute both branches; Keras'
`divide` takes gradients that are rows.
Checked with Keras 3.15.1 and TensorFlow 2.21.0. Missing: AttributeError, KeyError or ImportError when a program is compiled; its
trials then run one by one, and a line says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trainrun.compat import keras_private

# Methods that TensorFlow's optimizers override for tf.distribute.
OVERRIDDEN = (
    "assign",
    "assign_add",
    "assign_sub",
    "_apply_weight_decay",
    "_backend_update_step",
    "_backend_increment_gradient_accumulators",
    "_overwrite_model_variables_with_average_value",
)


@contextmanager
def pure() -> Iterator[None]:
    """Make optimizers assign through `keras.Variable`, and branches select between values, inside the `with`, in this process."""
    import tensorflow as tf
    from keras.src.backend.tensorflow import core
    from keras.src.backend.tensorflow import numpy as operations
    from keras.src.backend.tensorflow.optimizer import TFOptimizer
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    saved = {name: vars(TFOptimizer)[name] for name in (*OVERRIDDEN, "_var_key")}
    for name in OVERRIDDEN:
        setattr(TFOptimizer, name, getattr(BaseOptimizer, name))
    TFOptimizer._var_key = lambda self, variable: saved["_var_key"](
        self, keras_private.backing_variable(variable)
    )
    conds, divide = (tf.cond, core.cond), operations.divide
    tf.cond = core.cond = _both_branches
    operations.divide = _with_all_rows(divide)
    try:
        yield
    finally:
        (tf.cond, core.cond), operations.divide = conds, divide
        for name, method in saved.items():
            setattr(TFOptimizer, name, method)


def _with_all_rows(divide: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return Keras' division with a static form for gradients that are rows, as RMSprop divides those of an embedding.

    Keras adds rows to the quotient where the divisor is 0 or NaN, so that the result is NaN there, too. Their number depends on
    values, which has no form for many trials; here every row is added, which is 0 elsewhere.
    """

    import tensorflow as tf

    def quotient(x1: Any, x2: Any) -> Any:
        if (
            not isinstance(x1, tf.IndexedSlices)
            or isinstance(x2, tf.IndexedSlices)
            or getattr(x2, "shape", ()) == ()
        ):
            return divide(x1, x2)
        x2 = tf.convert_to_tensor(x2)
        all_rows = tf.range(tf.shape(x2, x1.indices.dtype)[0], dtype=x1.indices.dtype)
        values = [divide(x1.values, tf.gather(x2, x1.indices)), divide(tf.zeros_like(x2), x2)]
        return tf.IndexedSlices(
            tf.concat(values, 0), tf.concat([x1.indices, all_rows], 0), dense_shape=x1.dense_shape
        )

    return quotient


def _both_branches(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.cond`, for many trials at once: both branches are computed, and each trial selects its own result."""
    import tensorflow as tf

    scope = keras_private.stateless_scope()
    before = dict(scope.state_mapping)
    results, after = [], []
    for branch in (true_fn, false_fn):
        scope.state_mapping = dict(before)
        results.append(branch())
        after.append(scope.state_mapping)
    yes, no = after

    def chosen(one: Any, other: Any) -> Any:
        return one if one is other or one is None else tf.where(pred, one, other)

    scope.state_mapping = {k: chosen(yes[k], no[k]) for k in before}
    return tf.nest.map_structure(chosen, *results)
