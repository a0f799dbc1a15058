"""Two models on the held-out rows that both have: how their metrics differ there, with paired bootstrap intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.data.dataset import Dataset, Split
from trainrun.data.preprocessor import Preprocessor
from trainrun.model import raw_examples
from trainrun.run import evaluated, scores

if TYPE_CHECKING:
    from trainrun.run.result import RunResult

# Rows by which two parts are recognized as the same.
COMPARED = 1000


class Model:
    """A run's model, its data, and what it predicts of them.

    Args:
        run: a recorded run.

    Raises:
        UserError: it has no model, or its data are gone or have changed since.
    """

    def __init__(self, run: RunResult):
        self.run, self.saved, self.data = run, run.saved, run.data(strict=True)
        self._outputs: dict[str, Any] = {}

    def output(self, part: str) -> Any:
        """Return the predictions for a part of the run's data; see `evaluated.predicted`."""
        if part not in self._outputs:
            self._outputs[part] = evaluated.predicted(self.saved, self.data.parts[part])
        return self._outputs[part]


def compared(one: Model, other: Model, part: str) -> scores.Scores | None:
    """Return the metrics of one model on a part of the data, with the other's minus its own as `differences`.

    Args:
        one, other: of two runs; metrics and loss are those of the first.
        part: ``test``, ``validation`` or ``train``.

    Returns:
        None if the two have not the same rows there.
    """
    if same_part(one.data, one.saved.fitted, other.data, other.saved.fitted, part) is None:
        return None
    return scores.score(
        one.run.config,
        replace(one.data, target=one.saved.fitted.target),
        one.data.parts[part],
        one.output(part),
        other=other.output(part),
        other_target=other.saved.fitted.target,
        against=str(other.run.run_dir),
        run=str(one.run.run_dir),
        source=part,
    )


def same_part(
    data: Dataset, fitted: Preprocessor, other: Dataset, others_fitted: Preprocessor, part: str
) -> Split | None:
    """Return the examples of a part as the other model takes them, if they come from the same rows and have the same labels; else None.

    Args:
        data, fitted: of one run.
        other, others_fitted: of the other run; it may read other columns.
        part: name of the split.
    """
    split, theirs = data.parts.get(part), other.parts.get(part)
    if split is None or theirs is None or data.target != other.target or len(split) != len(theirs):
        return None
    labels, others_labels = (y if isinstance(y, dict) else {"": y} for y in (split.y, theirs.y))
    if not all(np.array_equal(labels[name], others_labels[name]) for name in labels):
        return None
    return theirs if _same_rows(split, fitted, theirs, others_fitted) else None


def _same_rows(split: Split, fitted: Preprocessor, other: Split, others_fitted: Preprocessor) -> bool:
    """Return whether examples come from the same raw rows, by the inputs that both have and some of the rows."""
    index = np.unique(np.linspace(0, len(split) - 1, COMPARED).astype(int))
    raw, others = (raw_examples.of(s.take(index).x, f) for s, f in ((split, fitted), (other, others_fitted)))
    equal = []
    for name in raw.keys() & others.keys():
        a, b = raw[name], others[name]
        if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
            return False
        if a.dtype.kind == "f":
            present = ~(np.isnan(a) | np.isnan(b))
            a, b = a[present], b[present]
            equal.append(np.allclose(a, b, rtol=1e-4, atol=1e-4 * a.std() if a.size else 0.0))
        else:
            equal.append(np.array_equal(a, b))
    return bool(equal) and all(equal)
