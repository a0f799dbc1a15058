"""`data.folds`: each setting is trained on every fold, ranked by its mean, and predicts every row once."""

from __future__ import annotations

import csv
from collections import deque

import numpy as np
import pytest
from scipy import stats
from sweeping import QUIET, only_sweep, rows_of, summaries, trainrun

from trainrun.config.rules.sweep import counted
from trainrun.sweep.ranking.racing import Comparison, Race
from trainrun.sweep.ranking.seed_replicates import Setting
from trainrun.sweep.space import seeds
from trainrun.sweep.space.trial_source import Point
from trainrun.sweep.trial import Trial


def test_replicates_are_all_folds_with_each_seed():
    assert seeds.replicates({"seeds": None, "folds": None, "seed": 7}) == []
    assert seeds.replicates({"seeds": None, "folds": 2, "seed": 7}) == [["data.fold=0"], ["data.fold=1"]]
    assert seeds.replicates({"seeds": 2, "folds": 2, "seed": 7}) == [
        ["seed=7", "data.fold=0"],
        ["seed=7", "data.fold=1"],
        ["seed=8", "data.fold=0"],
        ["seed=8", "data.fold=1"],
    ]
    assert counted(2, 3, 5) == "2 settings x 3 seeds x 5 folds = 30 runs"


def test_a_setting_that_is_clearly_worse_is_reported_by_folds():
    losses, lines = {"a=1": [0.1, 0.11, 0.12], "a=2": [0.9, 0.91, 0.92]}, []
    races = []
    for name, values in losses.items():
        varied = [[name, f"data.fold={i}"] for i in range(3)]
        trials = [
            Trial(i, v, v, "", {}, status="FINISHED", metrics={"val_loss": values[i]})
            for i, v in enumerate(varied)
        ]
        races.append(Race(Setting([name], trials), waiting=deque([Point(i, None) for i in (3, 4)])))
    Comparison("val_loss", "minimize", lines.append).look(races)
    p = stats.ttest_ind(*reversed(losses.values()), equal_var=False, alternative="greater").pvalue
    assert lines == [
        f"a=2: 2 folds not begun: val_loss 0.91 after 3 folds is clearly worse than 0.11 of a=1 (p = {p:.1g})"
    ]


def test_a_sweep_over_folds_is_ranked_by_the_mean_and_predicts_every_row(tmp_path):
    draw = np.random.default_rng(0)
    x, rows = draw.normal(size=90), ["x,y"]
    rows += [f"{value:.4f},{('ok', 'bad')[int(value + draw.normal() > 0.5)]}" for value in x]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    line = [
        "data=csv",
        "data.path=t.csv",
        "data.target=y",
        "data.test=0",
        "data.folds=3",
        "trainer.epochs=2",
        "model=linear",
    ]
    checked = trainrun(tmp_path, "check", "-m", *line, "optimizer.learning_rate=0.1,0.2")
    assert checked.returncode == 0 and "2 settings x 3 folds = 6 runs" in checked.stdout
    # Without -m, as with seeds: one run cannot train on all folds.
    done = trainrun(tmp_path, *QUIET[:-1], *line)
    assert done.returncode == 0, done.stderr
    sweep = only_sweep(tmp_path)
    assert [row["overrides"].split()[-1] for _, row in sorted(rows_of(sweep).items())] == [
        f"data.fold={i}" for i in range(3)
    ]
    figures = summaries(sweep)
    losses = [figures[i]["metrics"]["val_loss"] for i in range(3)]
    with open(sweep / "leaderboard_settings.csv", newline="") as file:
        (setting,) = csv.DictReader(file)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(losses), scale=stats.sem(losses))
    assert float(setting["mean"]) == pytest.approx(np.mean(losses))
    assert (float(setting["ci_low"]), float(setting["ci_high"])) == pytest.approx((low, high))
    with open(sweep / "out_of_fold.csv", newline="") as file:
        lines = [*csv.DictReader(file)]
    assert [int(one["row"]) for one in lines] == list(range(90))
    assert [one["target"] for one in lines] == [row.split(",")[1] for row in rows[1:]]
    for fold in range(3):
        of_fold = [one for one in lines if one["fold"] == str(fold)]
        right = [(float(one["probability_bad"]) > 0.5) == (one["target"] == "bad") for one in of_fold]
        assert np.mean(right) == pytest.approx(figures[fold]["metrics"]["val_accuracy"])
