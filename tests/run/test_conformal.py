"""Split-conformal intervals and sets against their definition (Angelopoulos & Bates 2023), and their coverage on new rows."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.data.dataset import TargetSpec
from trainrun.errors import UserError
from trainrun.run import conformal
from trainrun.run.conformal import Intervals

LEVEL = 0.9


def intervals(target: TargetSpec, output: np.ndarray, y: np.ndarray) -> Intervals:
    found = conformal.bounds(conformal.scores(output, y, target), LEVEL)
    return Intervals(LEVEL, target, {"": found}, len(y), {}, 0)


def test_coverage_on_new_rows_is_the_level_whatever_the_predictions_are():
    # Over draws of 29 examples and a new row, coverage is exactly ⌈30 · 0.9⌉ / 30 = 0.9: its error over 4,000 draws is 0.0047.
    random, held = np.random.default_rng(0), []
    for _ in range(4000):
        y, guess = random.normal(size=(2, 30, 1))  # a useless model
        made = intervals(TargetSpec("real"), guess[:29], y[:29]).columns(guess[29:])
        held.append(made["low"][0] <= y[29, 0] <= made["high"][0])
    assert abs(np.mean(held) - 0.9) < 3 * 0.0047


@pytest.mark.parametrize("names", [("no", "yes"), ("a", "b", "c")])
def test_sets_have_the_classes_whose_score_is_not_above_the_quantile(names):
    random = np.random.default_rng(1)
    p = random.dirichlet(np.ones(len(names)), 600)
    y = np.array([random.choice(len(names), p=row) for row in p])
    binary = len(names) == 2
    output = (p[:, 1:] if binary else p).astype("float32")
    target = TargetSpec("binary" if binary else "multiclass", names, 1 if binary else 3)
    made = intervals(target, output[:200], y[:200]).columns(np.append(output, output[:1] * np.nan, axis=0))
    q = np.quantile(1 - p[np.arange(200), y[:200]], np.ceil(201 * LEVEL) / 200, method="inverted_cdf")
    expected = [
        ";".join(n for n, share in zip(names, row, strict=True) if 1 - share <= q + 1e-6) for row in p
    ]
    assert list(made["set"]) == [*expected, None]
    held = np.mean([names[c] in text.split(";") for c, text in zip(y[200:], expected[200:], strict=True)])
    assert abs(held - LEVEL) < 3 * np.sqrt(0.09 * (1 / 200 + 1 / 400))


def test_several_numbers_have_an_interval_each_and_too_few_examples_are_refused():
    y = np.arange(18.0).reshape(9, 2)
    made = intervals(TargetSpec("real", outputs=2), y + np.array([1, -2]), y).columns(
        np.array([[5.0, np.nan]])
    )
    assert (made["low_0"], made["high_0"]) == (4, 6) and np.isnan(made["low_1"]) and np.isnan(made["high_1"])
    with pytest.raises(UserError, match="needs at least 9 validation examples, got 8"):
        conformal.bounds(y[:8], LEVEL)
    with pytest.raises(UserError, match="several labels a row"):
        conformal.refuse(TargetSpec("multilabel", ("a", "b"), 2), LEVEL)
