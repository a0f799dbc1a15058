"""`trainrun best`: a sweep that recorded no direction for a metric that declares none."""

from __future__ import annotations

import json

import pytest

from trainrun.cli import main
from trainrun.tracking import summary
from trainrun.tracking.journal import Journal


@pytest.fixture
def sweep(inside):
    """Return a sweep as an older trainrun recorded it: `val_undeclared` declares no direction, and none was asked for."""
    folder = inside / "outputs" / "sweeps" / "a_sweep"
    folder.mkdir(parents=True)
    points = [[0, ["seed=1"]], [1, ["seed=2", "seeds=1"]]]
    settings = {"varying": ["optimizer"], "objective": "val_undeclared", "direction": "auto"}
    content = {"format": 1, "cwd": str(inside), "settings": settings, "points": points}
    (folder / "sweep.json").write_text(json.dumps(content))
    for number, value in enumerate((0.25, 0.5)):
        run_dir = folder / str(number)
        run_dir.mkdir()
        book = Journal(run_dir / "journal.jsonl")
        book.write("start", run_id=str(number))
        book.write("end", status="FINISHED", reason=None)
        book.close()
        metrics = {"val_undeclared": value}
        summary.write(run_dir, summary.build(run_id=str(number), status="FINISHED", seed=1, metrics=metrics))
    return folder


def test_the_error_names_an_argument_that_works(sweep, capsys):
    assert main(["best", "last"]) == 2
    error = capsys.readouterr().err
    assert "which way val_undeclared is better" in error and "--direction minimize" in error
    for word, winner in (("minimize", "trainrun seed=1"), ("maximize", "trainrun seed=2")):
        assert main(["best", "last", "--direction", word]) == 0
        shown = capsys.readouterr()
        assert shown.out.strip() == winner
        assert f"trained: outputs/sweeps/a_sweep/{winner == 'trainrun seed=2':d}" in " ".join(
            shown.err.split()
        )
    assert main(["best", "last", "--direction", "minimize", "minimize"]) == 2
    assert "expected one for each objective (1)" in capsys.readouterr().err


def test_the_winner_of_a_cross_validation_is_printed_without_its_fold(sweep, capsys):
    content = json.loads((sweep / "sweep.json").read_text())
    content["points"] = [[n, ["data=iris", "data.folds=2", f"data.fold={n}"]] for n in (0, 1)]
    (sweep / "sweep.json").write_text(json.dumps(content))
    assert main(["best", "last", "--direction", "minimize"]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == "trainrun data=iris"
    assert "data.validation=0 data.test=0" in " ".join(shown.err.split())


def test_an_objective_that_no_trial_has_is_named_with_those_that_they_logged(sweep, capsys):
    words = ["best", "last", "--objective", "val_other", "--direction", "minimize"]
    assert main(words) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "none has val_other. They logged val_undeclared. To rank by one of these: trainrun best" in message
    assert main([*words[:3], "val_undeclared", *words[4:]]) == 0
    assert capsys.readouterr().out.strip() == "trainrun seed=1"


def test_its_trials_are_listed_without_a_rank(sweep, capsys):
    assert main(["runs", "last"]) == 0
    shown = capsys.readouterr()
    assert "FINISHED" in shown.out and "not ranked" in shown.out + shown.err
