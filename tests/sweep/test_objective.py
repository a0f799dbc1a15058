"""Which trial wins, and which way an objective is better."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainrun.sweep.objective import Objective
from trainrun.sweep.trial import Trial


def trial(number, status="FINISHED", **metrics):
    return Trial(number, [], [], Path(), {}, status=status, metrics=metrics)


def test_nan_and_infinite_values_never_rank_first():
    trials = [trial(0, val_auc=float("nan")), trial(1, val_auc=0.2), trial(2), trial(3, val_auc=float("inf"))]
    assert [t.number for t in Objective("val_auc", True).ranked(trials)] == [1]


def test_a_trial_that_did_not_finish_never_wins():
    trials = [trial(0, "FAILED", val_loss=0.1), trial(1, val_loss=0.3), trial(2, val_loss=0.2)]
    assert [t.number for t in Objective("val_loss", False).ranked(trials)] == [2, 1]


def test_equal_trials_rank_in_their_order():
    trials = [trial(2, val_auc=0.5), trial(0, val_auc=0.5), trial(1, val_auc=0.7)]
    assert [t.number for t in Objective("val_auc", True).ranked(trials)] == [1, 0, 2]


@pytest.mark.parametrize(
    ("name", "direction", "maximize"),
    [
        ("val_auc", "auto", True),
        ("val_accuracy", "auto", True),
        ("val_mean_absolute_error", "auto", False),
        ("test_loss", "auto", False),
        ("val_auc", "minimize", False),
        ("val_loss", "maximize", True),
    ],
)
def test_direction_follows_the_metric_unless_it_is_set(name, direction, maximize):
    assert Objective.of(name, direction, []) == Objective(name, maximize)


def test_without_validation_the_training_loss_ranks():
    assert Objective.of(None, "auto", [trial(0, loss=1.0)]).name == "loss"
    assert Objective.of(None, "auto", [trial(0, loss=1.0, val_loss=2.0)]).name == "val_loss"
