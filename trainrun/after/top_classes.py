"""The most probable classes of predictions, instead of a column for each of thousands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainrun.data import scoring
from trainrun.errors import Problem, UserError

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data.dataset import TargetSpec
    from trainrun.run.saved_model import Predictions

# Up to so many classes, each has its column, unless others are asked for; of more, so many are written, as by Keras' `decode_predictions`.
ALL_UP_TO, DEFAULT = 1000, 5
ALL = "all"


def count(target: TargetSpec, top: int | str | None) -> int | None:
    """Return how many classes are written for each row; None: all of them.

    Args:
        target: of the model.
        top: as asked for, a number or ``all``; None: the default.

    Raises:
        UserError: the model predicts no classes.
    """
    most = max(map(len, _classes(target).values()))
    if top is not None and not most:
        raise UserError(Problem("top", "the run predicts numbers, no classes. Leave it out."))
    if top is None:
        return DEFAULT if most > ALL_UP_TO else None
    return None if top == ALL or top > most else top


def note(target: TargetSpec, top: int) -> str:
    """Return a line on what is written instead of all classes."""
    most = max(map(len, _classes(target).values()))
    return f"{most:,} classes: the {top} most probable are written, top_1, top_1_probability, … Another number: --top 10; all of them: --top all."


def columns(block: Predictions, top: int) -> dict[str, np.ndarray]:
    """Return named columns: `prediction` as always, and of each of the most probable classes `top_1` and `top_1_probability`.

    Of several outputs: `top_<output>_1`, `top_<output>_1_probability`. Equally probable classes stand in the order of the classes.

    Args:
        block: the model's output.
        top: how many classes.
    """
    target = asdict(block.fitted.target)
    named = target["named"] or {"": target}
    found: dict[str, np.ndarray] = {}
    for name, of_output in named.items():
        output = block.output[name] if name else block.output
        made = _of_output(output, of_output, top)
        found |= {scoring.column_name(column, name) if name else column: v for column, v in made.items()}
    return found


def _of_output(output: np.ndarray, target: Mapping[str, Any], top: int) -> dict[str, np.ndarray]:
    import numpy as np
    import tensorflow as tf

    made = scoring.columns(output, target)
    if target["kind"] == "real":
        return made
    kept = {"prediction": made["prediction"]}
    shares = np.concatenate([1 - output, output], axis=1) if target["kind"] == "binary" else output
    with tf.device("cpu:0"):
        best = tf.math.top_k(shares, min(top, shares.shape[1]))
    names = np.array([str(name) for name in target["classes"]], object)[best.indices.numpy()]
    names[np.isnan(shares).any(axis=1)] = None
    for i, (name, share) in enumerate(zip(names.T, best.values.numpy().T, strict=True), 1):
        kept |= {f"top_{i}": name, f"top_{i}_probability": np.where(name == None, np.nan, share)}  # noqa: E711
    return kept


def _classes(target: TargetSpec) -> dict[str, tuple[str, ...]]:
    """Return the classes of each output; none of numbers."""
    return {name: one.classes for name, one in (target.named or {"": target}).items()}
