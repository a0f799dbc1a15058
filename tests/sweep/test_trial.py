"""Which trial wins."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from trainrun.sweep.ranking import metric_tables, seed_replicates
from trainrun.sweep.ranking.metric_tables import Numbers
from trainrun.sweep.trial import Objective, Trial


def trial(number, status="FINISHED", **metrics):
    return Trial(number, [], [], Path(), {}, status=status, metrics=metrics)


def test_what_is_no_number_never_wins():
    trials = [trial(0, val_auc=float("nan")), trial(1, val_auc=0.2), trial(2), trial(3, val_auc=float("inf"))]
    assert [t.number for t in Objective("val_auc", True).ranked(trials)] == [1]


def test_the_numbers_of_a_summary_are_read_when_asked_for(tmp_path):
    told = {"parameters": 7, "seconds": {"train": 1.5, "note": "no number"}, "metrics": {"loss": 1.0}}
    found = metric_tables.Figures(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps(told))
    assert dict(found) == {"parameters": 7, "seconds.train": 1.5}
    one = trial(0, loss=0.5)
    one.own_figures = found
    assert (one.value("parameters"), one.value("loss"), one.value("steps")) == (7.0, 0.5, None)
    assert dict(metric_tables.Figures(tmp_path / "gone")) == {}


def test_a_trial_that_is_over_still_has_its_directory_and_its_figures(tmp_path):
    run_dir = tmp_path / "7"
    run_dir.mkdir()
    (run_dir / "summary.json").write_text(json.dumps({"parameters": 9}))
    one = Trial(7, ["seed=1"], ["seed=1"], run_dir, {"seed": 1}, "FINISHED")
    one.forget()
    assert (one.run_dir, one.value("parameters"), dict(one.config)) == (run_dir, 9.0, {})


def test_means_are_of_the_numbers_that_all_have_and_are_computed_when_asked_for():
    tables, asked = [{"loss": 1.0, "auc": 0.5}, {"loss": 4.0, "mae": 2.0}, {"loss": 2.5, "auc": 0.1}], []

    def there():
        asked.append(True)
        return iter(tables)

    found = metric_tables.Means(there)
    assert not asked
    assert dict(found) == {"loss": np.mean([1.0, 4.0, 2.5])}
    assert (len(found), "auc" in found, found.get("mae")) == (1, False, None)
    assert dict(metric_tables.Means(lambda: ())) == {}


def test_the_seeds_of_a_setting_are_ranked_without_reading_summaries(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(metric_tables.summary, "read", lambda run_dir: read.append(run_dir) or {})
    trials = [
        Trial(i, [f"seed={i}"], [f"seed={i}"], tmp_path / str(i), {}, "FINISHED", metrics={"loss": float(i)})
        for i in range(3)
    ]
    setting = seed_replicates.ranked(seed_replicates.group(trials), Objective("loss", False))[0]
    assert (setting.values("loss"), read) == ([0.0, 1.0, 2.0], [])


def test_numbers_are_what_a_dict_of_them_is_and_share_their_names():
    told = {"loss": 0.5, "val_loss": float("inf"), "accuracy": 1}
    one, other = Numbers(told), Numbers(dict.fromkeys(told, 0.25))
    assert one == told
    assert list(one) == list(told)
    assert (len(one), "loss" in one, "auc" in one, one.get("auc")) == (3, True, False, None)
    assert other["accuracy"] == 0.25
    assert one._at is other._at
    assert Numbers({}) == {}
    assert pickle.loads(pickle.dumps(one)) == told


def test_a_trial_that_did_not_finish_never_wins():
    trials = [trial(0, "FAILED", val_loss=0.1), trial(1, val_loss=0.3), trial(2, val_loss=0.2)]
    assert [t.number for t in Objective("val_loss", False).ranked(trials)] == [2, 1]


def test_of_equals_the_earlier_comes_first():
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
def test_the_direction_follows_the_metrics_name_unless_it_is_said(name, direction, maximize):
    assert Objective.of(name, direction, []) == Objective(name, maximize)


def test_without_validation_the_training_loss_ranks():
    assert Objective.of(None, "auto", [trial(0, loss=1.0)]).name == "loss"
    assert Objective.of(None, "auto", [trial(0, loss=1.0, val_loss=2.0)]).name == "val_loss"
