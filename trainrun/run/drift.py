"""The population stability index of each column of rows that came later: how far its distribution is from that of the training set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from trainrun.data.dataset import Split
from trainrun.data.preprocessor import Preprocessor
from trainrun.run import slices

# Intervals of a column of numbers, with equal shares of the training set.
BINS = 10
# Share of an interval that has no rows, so that the logarithm is defined.
EMPTY = 1e-4
# From here on a column counts as shifted, by the convention of credit scoring.
SHIFTED = 0.1


class Drift(NamedTuple):
    """One column.

    Args:
        psi: Σ (new − old) · ln(new / old) over the shares of its intervals or categories.
        shifted: it is at least `SHIFTED`, and more than rows of one distribution differ by in one of a thousand columns.
    """

    psi: float
    shifted: bool


def of(train: Split, new: Split, fitted: Preprocessor) -> dict[str, Drift]:
    """Return the index of each column of a table, of a date of each of its parts, as the model reads it: missing values are imputed.

    Args:
        train: the training set, preprocessed.
        new: rows that came later, preprocessed alike.
        fitted: of the model.
    """
    from scipy.stats import chi2

    indices = {}
    for name in (n for c in fitted.columns for n in c.features):
        old, later = (np.asarray(slices.column(name, split, fitted)) for split in (train, new))
        counts = _counts(old, later)
        psi = index(*counts)
        # Rows of one distribution: the index times n·m / (n + m) has about a χ² distribution.
        by_chance = chi2.ppf(0.999, max(len(counts[0]) - 1, 1)) * (1 / len(old) + 1 / len(later))
        indices[name] = Drift(psi, psi >= max(SHIFTED, by_chance))
    return indices


def index(old: np.ndarray, new: np.ndarray) -> float:
    """Return the population stability index of two lists of counts."""
    before, after = (np.maximum(counts / counts.sum(), EMPTY) for counts in (old, new))
    return float(((after - before) * np.log(after / before)).sum())


def warning(indices: Mapping[str, Drift]) -> str | None:
    """Return a sentence that names the shifted columns, the most shifted first; None: there are none."""
    shifted = sorted((n for n, d in indices.items() if d.shifted), key=lambda n: -indices[n].psi)
    if not shifted:
        return None
    listed = ", ".join(f"{name} {indices[name].psi:.2f}" for name in shifted)
    return f"distributed otherwise than in training (population stability index): {listed}"


def _counts(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many values of each are in the intervals or categories of the first."""
    if old.dtype.kind == "f":
        edges = np.unique(np.quantile(old, np.linspace(0, 1, BINS + 1)[1:-1]))
        old, new = (np.searchsorted(edges, values, side="left") for values in (old, new))
        kinds = np.arange(len(edges) + 1)
    else:
        kinds = np.unique(np.concatenate([old, new]))
    return tuple(np.array([(values == kind).sum() for kind in kinds]) for values in (old, new))  # type: ignore[return-value]
