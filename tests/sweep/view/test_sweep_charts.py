"""The charts of a sweep's report show what the trials' records say."""

from __future__ import annotations

import re
from pathlib import Path

from trainrun.sweep.objective import Objective
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import marginal_plots, sweep_charts

LOSS = Objective("val_loss", False)


def shown(*values):
    trials = [
        Trial(i, [], [], Path("nowhere"), {}, status="FINISHED", metrics={"val_loss": v})
        for i, v in enumerate(values)
    ]
    return marginal_plots.valued(trials, LOSS, lambda t: None)


def test_a_conditional_number_is_on_an_axis_of_numbers_for_the_trials_that_have_it():
    keys = {"optimizer.momentum": [None, "10", "9", "9.5"]}
    (panel,) = sweep_charts.slices(keys, shown(0.1, 0.2, 0.3, 0.4), LOSS)
    first, second, third = (float(x) for x in re.findall(r'<circle class="s0" cx="([\d.]+)"', panel.svg))
    assert second < third < first
    assert 'class="mark"' not in panel.svg, "the best trial, which has none, is not ringed"


def test_names_that_are_numbers_stand_by_their_size():
    keys = {"model.units": ["128", "64", "null", "8"]}
    (panel,) = sweep_charts.slices(keys, shown(0.1, 0.2, 0.3, 0.4), LOSS)
    assert [n for n in re.findall(r">([^<>]+)</text>", panel.svg) if n in keys["model.units"]] == [
        "8",
        "64",
        "128",
        "null",
    ]
