"""`trainrun runs --where … --sort … --columns …`: selected, sorted, and within the terminal's width."""

from __future__ import annotations

import json

import pytest
from made_up_runs import run, sweep

from trainrun.after import recorded
from trainrun.cli import main
from trainrun.ui import console


@pytest.fixture
def runs(inside):
    """Make three runs and a sweep of two trials."""
    run("runs/a", "data=csv", "optimizer.learning_rate=0.1", metrics={"val_auc": 0.91}, data={"name": "csv"})
    run("runs/b", "data=csv", "optimizer.learning_rate=0.2", metrics={"val_auc": 0.95}, data={"name": "csv"})
    run("runs/c", "data=iris", metrics={"val_auc": 0.99})
    sweep("s", [0.3, 0.2])


def selected(capsys, *argv):
    assert main(["runs", *argv, "--json"]) == 0
    return [row["run"] for row in json.loads(capsys.readouterr().out)]


def test_a_condition_selects_and_a_metric_sorts_by_its_direction(runs, capsys):
    assert selected(capsys, "--where", "val_auc > 0.9 and data=csv", "--sort", "val_auc") == ["b", "a"]
    assert selected(capsys, "--where", "val_auc>0", "--sort=-val_auc") == ["a", "b", "c"]
    assert selected(capsys, "--sort", "val_loss", "-n", "3")[:2] == ["s/1", "s/0"]
    assert selected(capsys, "s", "--where", "val_loss<1", "--sort", "optimizer.learning_rate") == [
        "s/1",
        "s/0",
    ]
    assert selected(capsys, "--where", "status=failed") == []


def test_unknown_names_are_one_error_with_near_ones(runs, capsys):
    assert main(["runs", "--where", "val_acu>1", "--sort", "learning_rate", "--columns", "data,seeed"]) == 2
    err = capsys.readouterr().err
    assert "3 problems" in err and "Did you mean val_auc?" in err and "Did you mean seed?" in err
    assert "Did you mean optimizer.learning_rate?" in err
    assert main(["runs", "--watch", "--where", "a=1"]) == 2


def test_names_tell_what_differs():
    words = [["data=csv", "optimizer.learning_rate=0.1"], ["data=csv", "optimizer.learning_rate=0.2", "-m"]]
    assert recorded.differing(words) == [["learning_rate=0.1"], ["learning_rate=0.2", "-m"]]
    assert recorded.differing(words[:1]) == [["data=csv", "learning_rate=0.1"]]
    assert recorded.shortened(["model.units", "data.units", "seed"]) == {
        "model.units": "model.units", "data.units": "data.units", "seed": "seed",
    }  # fmt: skip


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("--all",),
        ("s",),
        ("--where", "val_auc>0"),
        (
            "--columns",
            "val_auc,data,model,model.units,optimizer,optimizer.learning_rate,seed,started,epochs,data.path",
        ),
    ],
)
def test_it_fits_80_columns(runs, capsys, monkeypatch, argv):
    words = [f"optimizer.beta_{i}=0.{i}" for i in range(1, 9)] + ["data.path=/a/path/" + "long_" * 30]
    run("runs/2026-11-28_13-11-30_abc123", *words, end="FAILED", metrics={"val_auc": 0.9712345678})
    run("runs/2026-11-28_13-11-30_abc124", *words[1:], metrics={"val_auc": 0.9})
    monkeypatch.setattr(console, "columns", lambda stream=None: 80)
    assert main(["runs", *argv]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines)  # a path is not broken
    if argv != ("s",):
        assert any(line.startswith("2026-11-28_13-11-30_abc123 ") for line in lines)
        assert len(lines) > 3
