"""Tiers of settings, and the importance of parameters, against known effects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.ranking.parameter_importance import importance
from trainrun.sweep.ranking.tiers import tiers
from trainrun.sweep.trial import Trial

LOSS, ACCURACY = Objective("val_loss", False), Objective("val_accuracy", True)


def ranked(objective, settings):
    trials = [
        Trial(10 * i + j, [f"k={i}", f"seed={j}"], [f"k={i}", f"seed={j}"], "x", {}, "FINISHED", metrics={objective.name: v})
        for i, values in enumerate(settings)
        for j, v in enumerate(values)
    ]  # fmt: skip
    return seed_replicates.ranked(seed_replicates.group(trials), objective)


def test_settings_that_welch_s_test_cannot_tell_from_the_best_share_its_tier():
    settings = [[0.10, 0.11, 0.12], [0.11, 0.12, 0.13], [0.30, 0.31, 0.32], [0.31, 0.30, 0.32]]
    apart = [stats.ttest_ind(settings[0], s, equal_var=False).pvalue < 0.05 for s in settings]
    assert apart == [False, False, True, True]
    assert tiers(ranked(LOSS, settings), LOSS) == [1, 1, 2, 2]


def test_single_runs_are_told_apart_by_the_error_of_a_share():
    # Two shares of 0.9 and 0.85 of 1,000 examples: 1.96 standard errors of their difference are 0.029.
    assert 1.96 * math.sqrt(0.9 * 0.1 / 1000 + 0.85 * 0.15 / 1000) == pytest.approx(0.0289, abs=1e-4)
    shares = ranked(ACCURACY, [[0.90], [0.88], [0.85]])
    assert tiers(shares, ACCURACY, examples=1000) == [1, 1, 2]
    assert tiers(shares, ACCURACY, examples=100) == [1, 1, 1]
    assert tiers(shares, ACCURACY) is None and tiers(ranked(LOSS, [[0.1], [0.2]]), LOSS, 1000) is None


def test_the_same_setting_and_seed_twice_is_one_value():
    trials = [Trial(i, ["k=1"], ["k=1"], "x", {}, "FINISHED", metrics={"val_loss": 0.5}) for i in range(2)]
    (setting,) = seed_replicates.group(trials)
    assert setting.values("val_loss") == [0.5]


def test_a_parameter_that_decides_has_the_greatest_importance():
    random = np.random.default_rng(0)
    rate, units = 10 ** random.uniform(-4, -1, 60), random.choice(["[8]", "[64]"], 60)
    values = np.log10(rate) ** 2 + 0.1 * (units == "[8]")
    parameters = {
        "units": units.tolist(),
        "rate": [f"{r:.3g}" for r in rate],
        "dropout": [None, *["0.1"] * 59],
        "momentum": ["0.5", "nan", *["0.9"] * 58],
    }
    shares = importance(parameters, values.tolist())
    assert next(iter(shares)) == "rate" and shares["rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1.0)
    assert importance(parameters, [1.0] * 60) == {}
    assert importance({"units": ["a", "b"]}, [1.0, 2.0]) == {}
