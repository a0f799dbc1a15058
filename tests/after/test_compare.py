"""`trainrun compare`: what differs between real runs, and whether their metrics can be told apart."""

from __future__ import annotations

import json
import math
from pathlib import Path

import made_up_runs
import numpy as np
import pytest
import scipy.stats

from trainrun.after import compare, verdicts
from trainrun.cli import main
from trainrun.run.result import RunResult


def test_only_what_differs_is_named_and_the_paired_interval_is_scipy_s(within):
    comparison = compare.compare([within / "outputs/runs/first", within / "outputs/sweeps/rates/1"])
    config = {d.name: d for d in comparison.config}
    assert config["optimizer.learning_rate"].values == [0.01, 1e-5]
    assert config["optimizer.learning_rate"].places == [
        "optimizer.learning_rate=0.01",
        "optimizer.learning_rate=1e-05",
    ]
    assert config["trainer.epochs"].values == [3, 2]
    assert not any(d.name.startswith(("data.", "seed", "optimizer.name")) for d in comparison.config)
    assert comparison.code == comparison.packages == comparison.machine == comparison.data == []
    assert [len(c) for c in comparison.curves["val_loss"]] == [3, 2]
    (row,) = (r for r in comparison.metrics if r.name == "test_accuracy")
    runs = [RunResult.read(Path(run)) for run in comparison.runs]
    data = runs[0].data()
    right = [r.model.predict(data.test.x, verbose=0).argmax(1) == data.test.y for r in runs]
    paired = right[1].astype(float) - right[0]
    expected = scipy.stats.bootstrap((paired,), np.mean, method="percentile", n_resamples=2000, rng=0)
    assert row.differences[1] == pytest.approx(paired.mean())
    assert row.intervals[1] == pytest.approx([*expected.confidence_interval], abs=0.04)
    assert row.verdicts == ["", "worse" if row.intervals[1][1] < 0 else "no difference"]


def test_code_packages_and_data_that_changed_are_named(within, tmp_path):
    import shutil

    for name in ("a", "b"):
        shutil.copytree(within / "outputs/runs/buyers", tmp_path / name)
    changed = tmp_path / "b"
    text = (changed / "environment.txt").read_text()
    version = next(line for line in text.splitlines() if line.startswith("numpy=="))
    (changed / "environment.txt").write_text(
        text.replace(version, "numpy==0.0.1") + "\nChanges since the commit\n------------------------\n+one\n"
    )
    journal = (changed / "journal.jsonl").read_text()
    digest = json.loads(journal.splitlines()[0])["dataset"]["digest"]
    (changed / "journal.jsonl").write_text(journal.replace(digest, "0" * 64))
    content = json.loads((changed / "summary.json").read_text())
    content["data"]["digests"]["age"] = "other"
    (changed / "summary.json").write_text(json.dumps(content))
    comparison = compare.compare([tmp_path / "a", changed], measured=False)
    assert [(d.name, d.values[1]) for d in comparison.packages] == [("numpy", "0.0.1")]
    assert [d.name for d in comparison.code] == ["uncommitted changes"]
    assert comparison.patches == [None]  # the commit is in no repository here
    assert [(d.name, d.values[1]) for d in comparison.data] == [
        ("digest", "0" * 12),
        ("values of age", "other"),
    ]


@pytest.mark.parametrize(
    ("metric", "first", "second", "verdict"),
    [
        # Of 100 examples: standard errors by the binomial distribution.
        ("test_accuracy", 0.80, 0.80 + 1.9 * math.sqrt(0.8 * 0.2 / 100 + 0.9 * 0.1 / 100), "no difference"),
        ("test_accuracy", 0.80, 0.80 - 2.4 * math.sqrt(2 * 0.8 * 0.2 / 100), "worse"),
        ("test_loss", 0.5, 0.4, ""),  # of other examples it cannot be told
        ("accuracy", 0.5, 0.9, ""),  # that the model was trained on
        ("test_unheard_of", 0.1, 0.9, ""),
    ],
)
def test_without_common_examples_only_shares_have_a_verdict(tmp_path, metric, first, second, verdict):
    data = {"parts": {"test": 100, "train": 100}, "name": "t", "task": "classification"}
    runs = [RunResult(tmp_path, "FINISHED", {metric: v}, {}, {"data": data}) for v in (first, second)]
    for run in runs:
        run.config = {"metric": {}}
    (row,) = verdicts.rows(runs)
    assert row.verdicts == ["", verdict]


def test_sweeps_are_compared_by_what_they_tried_and_reached(inside, capsys):
    for name, values in (("old", [0.5, 0.4, 0.6]), ("new", [0.3, 0.35])):
        made_up_runs.sweep(name, values)
    assert main(["compare", "old", "new", "-o", "curves.svg"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in (
        "trials 3: 3 finished 2: 2 finished",
        "best val_loss 0.4 0.3",
        "median val_loss 0.5 0.325",
        "searched optimizer.learning_rate 0, 1, 2 0, 1",
        "best val_loss so far",
        "differences without intervals, because it has another task",
        "single runs, whose difference may be chance",
    ):
        assert words in out
    assert b"<svg" in (inside / "curves.svg").read_bytes()


def test_it_is_printed_for_people_and_programs(within, capsys):
    assert main(["compare", "first", "second", "best", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "B − A" in out and "C − A" in out and "val_loss by epoch" in out
    assert main(["compare", "first", "second", "--json", "--quick"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {m["name"] for m in content["metrics"]} >= {"test_accuracy", "val_loss", "loss"}
    assert main(["compare", "first"]) == 2
