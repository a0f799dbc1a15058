"""Groups of examples by a column: each of its values, or quarters of its numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainrun.data import profile
from trainrun.data._gaps import UNKNOWN_NAME
from trainrun.data.dataset import Split
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError, did_you_mean, listed

# A column of more different numbers is cut into quarters.
SEPARATE = 12
# Groups at most, the most frequent ones.
GROUPS = 50
MISSING = "missing"


def groups(values: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return the rows of each group, by its name.

    Args:
        values: one a row; None or NaN: missing. Numbers may be texts.
    """
    gaps = np.array([v is None or v == "" or v != v for v in values], bool)
    try:
        numbers = np.array([np.nan if gap else float(v) for v, gap in zip(values, gaps, strict=True)])
    except (TypeError, ValueError):
        numbers = None
    rows: dict[str, np.ndarray] = {}
    if numbers is not None and len(np.unique(numbers[~gaps])) > SEPARATE:
        edges = np.unique(np.quantile(numbers[~gaps], [0, 0.25, 0.5, 0.75, 1]))
        place = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
        for i, (low, high) in enumerate(itertools.pairwise(edges)):
            rows[f"{low:g} to {high:g}"] = np.flatnonzero((place == i) & ~gaps)
    else:
        texts = np.array([MISSING if gap else str(v) for v, gap in zip(values, gaps, strict=True)], object)
        names, counts = np.unique(texts[~gaps].astype(str), return_counts=True)
        for name in sorted(names[np.argsort(-counts, kind="stable")[:GROUPS]]):
            rows[str(name)] = np.flatnonzero((texts == name) & ~gaps)
    if gaps.any():
        rows[MISSING] = np.flatnonzero(gaps)
    return {name: places for name, places in rows.items() if len(places)}


def column(name: str, split: Split, fitted: Preprocessor) -> list[Any]:
    """Return a column of preprocessed examples as raw values; a missing one is that which was imputed.

    Args:
        name: of a feature, or of the target.
        split: the examples.
        fitted: of their model.

    Raises:
        UserError: the arrays have no such column.
    """
    arrays = split.x if isinstance(split.x, dict) else {fitted.inputs[0].name: split.x}
    target = fitted.target_name or "target"
    if name == target and fitted.target.kind in ("binary", "multiclass") and not fitted.target.shape:
        return [fitted.target.classes[i] for i in split.y] if fitted.target.classes else list(split.y)
    if name == target and fitted.target.kind == "real" and fitted.target.outputs == 1:
        return np.ravel(split.y).tolist()
    known = [target]
    for spec in fitted.inputs:
        names = fitted.names(spec)
        if name not in names:
            known += names
            continue
        i, array = names.index(name), np.asarray(arrays[spec.name][:])
        if spec.kind == "categorical":
            texts = (UNKNOWN_NAME, *fitted.categories[i].categories)
            return [texts[code] for code in array[:, i]]
        mean, std = fitted.moments.get(spec.name, ([0.0] * len(names), [1.0] * len(names)))
        return profile.in_unit(array[:, i], mean[i], std[i]).tolist()
    raise UserError(
        Problem(
            "by",
            f"the model's inputs have no column {name!r}.{did_you_mean(name, known)} They have {listed(known)}. For another column of a "
            "file, name the file: trainrun evaluate RUN FILE --by COLUMN.",
        )
    )
