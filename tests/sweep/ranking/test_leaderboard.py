"""A sweep that ranks nothing says why, with the way out, and ends with exit code 1."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from trainrun.sweep import loop
from trainrun.sweep.loop import SweepResult
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import leaderboard
from trainrun.sweep.trial import Trial

NAN = float("nan")


def trials(status, **metrics):
    return [Trial(n, [], [], Path(), {}, status, metrics=metrics) for n in range(2)]


@pytest.mark.parametrize(
    ("status", "metrics", "message"),
    [
        (
            "FINISHED",
            {"loss": 1.0, "val_loss": 2.0},
            "none has val_own. They logged loss, val_loss. To rank by one of these: trainrun best",
        ),
        ("FINISHED", {"loss": 1.0, "val_own": NAN}, "val_own is not a number in any. They logged loss."),
        ("PRUNED", {"val_own": 1.0}, "no trial has finished; trainrun resume"),
    ],
)
def test_nothing_ranked_is_a_failure_with_a_reason(status, metrics, message, tmp_path, capsys):
    ended = SweepResult(tmp_path, trials(status, **metrics), Objective("val_own", True))
    assert ended.exit_code == 1
    leaderboard.show(tmp_path, ended.trials, ended.objective, 2)
    assert message in " ".join(capsys.readouterr().err.split())


def test_one_trial_with_a_rank_is_enough(tmp_path, capsys):
    both = [*trials("FINISHED", val_own=NAN)[:1], *trials("FINISHED", val_own=0.5)[1:]]
    assert SweepResult(tmp_path, both, Objective("val_own", True)).exit_code == 0
    leaderboard.show(tmp_path, both, Objective("val_own", True), 2)
    assert "last, without a rank, for want of val_own: trial 0" in capsys.readouterr().out


def test_leaderboard_is_printed_before_plots_and_delivery(tmp_path, capsys, monkeypatch):
    printed = []
    monkeypatch.setattr(loop.sweep_journal, "of", lambda *_: MagicMock())
    monkeypatch.setattr(
        loop.background_plots, "write", lambda *_: printed.append(capsys.readouterr().out) or []
    )
    settings = {"objective": "val_own", "direction": "max", "tracking": {"trackers": {}, "timeout": 1}}
    ended = Trial(0, [], [], tmp_path / "0", {}, "FINISHED", metrics={"val_own": 0.5})
    loop.conclude(tmp_path, settings, [ended])
    assert "0.5000" in printed[0]


def test_trials_that_a_signal_has_stopped_are_listed_apart_from_failed_ones_with_the_way_on(tmp_path, capsys):
    ended = [
        Trial(0, [], [], tmp_path / "0", {}, "FINISHED", metrics={"val_own": 0.5}),
        Trial(1, [], [], tmp_path / "1", {}, "FAILED", "ValueError: boom"),
        Trial(2, [], [], tmp_path / "2", {}, "KILLED", "stopped by SIGTERM"),
    ]
    leaderboard.show(tmp_path, ended, Objective("val_own", True), 4)
    printed = capsys.readouterr().out
    failed, interrupted = printed.partition("Failed")[2].split("Interrupted")
    assert "boom" in failed and "SIGTERM" not in failed
    assert (
        "SIGTERM" in interrupted and f"to go on: trainrun resume {os.path.relpath(tmp_path)}" in interrupted
    )


@pytest.mark.parametrize(
    ("each", "objective", "differ"),
    [
        (["loss=huber", "loss=mean_squared_error"], "val_loss", "loss"),
        (["loss=huber loss.delta=1", "loss=huber loss.delta=2"], "val_loss", "loss.delta"),
        (["loss.churn.gamma=1", "loss.churn.gamma=2"], "val_churn_loss", "loss.churn.gamma"),
        (["data.target_transform=log", ""], "val.hard_loss", "data.target_transform"),
        (
            ["data.standardize_target=false", "data.standardize_target=true"],
            "loss",
            "data.standardize_target",
        ),
        (["loss=huber", "loss=mean_squared_error"], "val_mae", None),
        (["loss=huber seed=1", "loss=huber seed=2"], "val_loss", None),
        (["optimizer=adam", "optimizer=sgd"], "val_loss", None),
        (["data.target=spend"] * 2, "val_loss", None),
    ],
)
def test_losses_that_are_not_the_same_measure_are_told(each, objective, differ, tmp_path, capsys):
    metrics = {objective: 0.5, "val_mae": 1.0}
    ended = [
        Trial(n, one.split(), [], tmp_path / str(n), {}, "FINISHED", metrics=metrics)
        for n, one in enumerate(each)
    ]
    leaderboard.show(tmp_path, ended, Objective(objective, False), 2)
    printed = " ".join("".join(capsys.readouterr()).split())
    message = f"the trials differ in {differ}, so {objective} is not the same measure in each"
    assert (message in printed) == (differ is not None) and ("not the same measure" in printed) == (
        differ is not None
    )
    assert differ is None or f"trainrun best {os.path.relpath(tmp_path)} --objective val_mae" in printed


@pytest.mark.parametrize(
    ("each", "differ"),
    [
        (["data.group=null data.path=a", "data.group=patient data.path=b"], "data.group, data.path"),
        (["data.validation_path=a", "data.validation_path=b"], "data.validation_path"),
        (["data.path=a data.validation_path=v", "data.path=b data.validation_path=v"], None),
        (["data.exclude=[id] data.path=a", "data.exclude=[] data.path=a"], None),
    ],
)
def test_trials_that_are_measured_on_other_rows_are_told(each, differ, tmp_path, capsys):
    ended = [
        Trial(n, one.split(), [], tmp_path / str(n), {}, "FINISHED", metrics={"val_auc": 0.5})
        for n, one in enumerate(each)
    ]
    leaderboard.show(tmp_path, ended, Objective("val_auc", True), 2)
    printed = " ".join("".join(capsys.readouterr()).split())
    assert ("measured on other rows" in printed) == (differ is not None)
    assert differ is None or f"the trials differ in {differ}, so they" in printed
