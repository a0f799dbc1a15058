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
