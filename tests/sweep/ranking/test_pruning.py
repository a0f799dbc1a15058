"""Pruning: the rules as published, never at the last epoch, and a trial that was given up can be continued."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sweeping
from sweeping import only_sweep, rows_of, summaries

import trainrun
from trainrun.commands import resume
from trainrun.registry import option_files
from trainrun.sweep.ranking import pruning
from trainrun.sweep.trial import Trial

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "data=digits", "trainer.limit=200",
         "hardware.deterministic=true", "trainer.epochs=9"]  # fmt: skip


def trial(number, epochs=9):
    return Trial(number, [], [], Path(str(number)), {"trainer": {"epochs": epochs}})


def judged(judge, values, epochs=9):
    """Report trials one after another; return the epoch at which each was given up, or None."""
    stopped = []
    for number, curve in enumerate(values):
        one, at = trial(number, epochs), None
        for epoch, value in enumerate(curve, 1):
            if judge.epoch_done(one, epoch, {"val_loss": value}, epoch == len(curve)):
                at = epoch
                break
        one.status = "FINISHED" if at is None else "PRUNED"
        one.metrics = {"val_loss": curve[(at or len(curve)) - 1]}
        judge.ended(one)
        stopped.append(at)
    return stopped


def settings(name, **changed):
    """Return a pruner's settings as `conf/sweep/pruner/` has them, some of them changed."""
    return {**option_files.packaged("sweep/pruner")[name].values, **changed}


def asha_by_hand(values, rungs, factor):
    """Asynchronous halving, as in Li and others, algorithm 2: stay in the best of each rung's 1/factor so far."""
    seen, stopped = {r: [] for r in rungs}, []
    for curve in values:
        at = None
        for rung in rungs:
            seen[rung].append(curve[rung - 1])
            best = sorted(seen[rung])[: max(len(seen[rung]) // factor, 1)]
            if curve[rung - 1] > best[-1]:
                at = rung
                break
        stopped.append(at)
    return stopped


def test_asha_prunes_the_trials_that_the_paper_prunes():
    curves = np.random.RandomState(3).rand(40, 1) + 0.01 * np.random.RandomState(4).rand(40, 9)
    judge = pruning.Pruning(settings("asha", min_epochs=1), None, "auto")
    assert judged(judge, curves.tolist()) == asha_by_hand(curves, [1, 3], 3)  # 9 is the last epoch


def test_median_rule_equals_the_one_of_google_vizier():
    curves = np.random.RandomState(5).rand(30, 9)
    judge = pruning.Pruning(settings("median", startup_trials=5), None, "auto")
    stopped = judged(judge, curves.tolist())
    finished: list[np.ndarray] = []
    for number, (curve, at) in enumerate(zip(curves, stopped, strict=True)):
        expected = None
        for epoch in range(1, 9):
            others = [c[epoch - 1] for c in finished if len(c) >= epoch]
            if number >= 5 and others and curve[:epoch].min() > np.median(others):
                expected = epoch
                break
        assert at == expected or len(finished) < 5
        if at is None:
            finished.append(curve)


def test_pruning_follows_the_direction_of_the_metric():
    judge = pruning.Pruning(settings("threshold", lower=0.5), "val_accuracy", "auto")
    assert judge.epoch_done(trial(0), 1, {"val_accuracy": 0.4}, False).startswith(
        "threshold: val_accuracy 0.4"
    )
    assert judge.epoch_done(trial(1), 1, {"val_accuracy": 0.6}, False) is None


def test_no_trial_is_pruned_at_its_last_epoch_or_without_a_value():
    judge = pruning.Pruning(settings("threshold", upper=0.5), None, "auto")
    assert judge.epoch_done(trial(0), 9, {"val_loss": 9.0}, True) is None
    judge = pruning.Pruning(settings("threshold", upper=0.5), None, "auto")
    assert (
        judge.epoch_done(trial(0), 1, {"loss": 9.0, "accuracy": 0.1}, False) is not None
    )  # no validation: loss
    judge = pruning.Pruning(settings("threshold", upper=0.5), "val_loss", "auto")
    assert judge.epoch_done(trial(0), 1, {"loss": 9.0}, False) is None  # validation_freq=2


def test_nan_ranks_last_for_pruning():
    judge = pruning.Pruning(settings("asha", min_epochs=1), None, "auto")
    assert judged(judge, [[0.5] * 9, [0.4] * 9, [float("nan")] * 9]) == [None, None, 1]


RATES = ["0.01", "0.001", "1e-5"]


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """Return the directory of a sweep of which some trials were given up."""
    folder = tmp_path_factory.mktemp("pruned")
    asha = ["sweep/pruner=asha", "sweep.pruner.min_epochs=1"]
    done = sweeping.trainrun(
        folder, "-m", *QUIET, f"optimizer.learning_rate={','.join(RATES)}", *asha, "hydra.launcher.n_jobs=1"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return only_sweep(folder)


@pytest.mark.slow
def test_pruned_trial_is_marked_in_summary_journal_and_table(pruned):
    rows = rows_of(pruned)
    assert [rows[i]["status"] for i in range(3)] == ["FINISHED", "PRUNED", "PRUNED"]
    assert rows[2]["reason"].startswith("asha: val_loss") and rows[0]["rank"] == "1"
    records = [json.loads(line) for line in (pruned / "2" / "journal.jsonl").read_text().splitlines()]
    assert records[-1]["kind"] == "end" and records[-1]["status"] == "PRUNED"
    assert json.loads((pruned / "2" / "summary.json").read_text())["status"] == "PRUNED"
    assert max(r["epoch"] for r in records if r["kind"] == "epoch") < 9


@pytest.mark.slow
def test_pruned_trial_resumes_to_identical_bits(pruned, inside):
    """One trial as a run, the other with its sweep, which tells how; both have the weights of one that never was pruned."""
    assert resume.main([str(pruned / "2")]) == 0
    assert "continue=pruned" in sweeping.trainrun(inside, "resume", pruned).stdout
    assert summaries(pruned)[1]["status"] == "PRUNED" and summaries(pruned)[1]["epochs"] < 9
    done = sweeping.trainrun(inside, "resume", pruned, "continue=pruned")
    assert done.returncode == 0, done.stdout + done.stderr
    for number in (1, 2):
        whole = summaries(pruned)[number]
        alone = trainrun.run([*QUIET, f"optimizer.learning_rate={RATES[number]}"])
        assert whole["status"] == "FINISHED" and whole["epochs"] == 9 and whole["resumed_from"]["epoch"] > 0
        assert whole["weights_sha256"] == alone.summary["weights_sha256"]
