"""One trial: the numbers read from its directory, and the memory that it keeps."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np

from trainrun.sweep import sweep_record
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.trial import Trial
from trainrun.tracking.status import RunStatus


def test_a_summary_gives_metrics_and_other_numbers_by_dotted_names(tmp_path):
    content = {"parameters": 7, "seconds": {"train": 1.5, "note": "no number"}, "metrics": {"loss": 1.0}}
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "summary.json").write_text(json.dumps(content))
    one = Trial(0, [], [], tmp_path / "0", {})
    sweep_record.read_results(one, RunStatus.of_end(one.run_dir, {"status": "FINISHED"}))
    assert (one.metrics, one.figures) == ({"loss": 1.0}, {"parameters": 7, "seconds.train": 1.5})
    assert [one.value(n) for n in ("parameters", "loss", "steps")] == [7.0, 1.0, None]


def test_a_trial_that_is_over_keeps_directory_and_numbers_but_not_its_config(tmp_path):
    one = Trial(7, ["seed=1"], ["seed=1"], tmp_path / "7", {"seed": 1}, "FINISHED", figures={"parameters": 9})
    one.forget()
    assert (one.run_dir, one.value("parameters"), dict(one.config)) == (tmp_path / "7", 9.0, {})


def test_a_trial_that_is_over_keeps_two_kilobytes(tmp_path):
    """100,000 trials must fit into memory: what one keeps is measured on 500 with the numbers that a small run has."""
    seconds = dict.fromkeys(("total", "import", "data", "build", "train", "evaluate", "save"), 1.25)
    metrics = {f"{s}{n}": 0.123 for s in ("", "val_", "test_") for n in ("loss", "accuracy", "auc")}
    content = {"parameters": 1000, "epochs": 3, "steps": 99, "examples_per_second": 1e4, "seconds": seconds}
    trials = []
    tracemalloc.start()
    try:
        for i in range(501):
            if i == 1:
                before = tracemalloc.get_traced_memory()[0]
            run_dir = tmp_path / str(i)
            run_dir.mkdir()
            numbers = {"metrics": {k: v + i for k, v in metrics.items()}, **content}
            (run_dir / "summary.json").write_text(json.dumps(numbers))
            overrides = [f"optimizer.learning_rate={i / 1000}", f"seed={i}"]
            one = Trial(
                i, overrides, list(overrides), run_dir, {"trainer": dict.fromkeys(map(str, range(100)))}
            )
            sweep_record.read_results(one, RunStatus.of_end(one.run_dir, {"status": "FINISHED"}))
            one.forget()
            trials.append(one)
        kept = (tracemalloc.get_traced_memory()[0] - before) / 500
    finally:
        tracemalloc.stop()
    assert kept < 2200


def test_the_means_of_a_setting_are_of_the_numbers_that_all_seeds_have():
    tables = [{"loss": 1.0, "auc": 0.5}, {"loss": 4.0, "mae": 2.0}, {"loss": 2.5, "auc": 0.1}]
    trials = [
        Trial(i, [f"seed={i}"], [f"seed={i}"], Path(), {}, "FINISHED", metrics=t, figures={"steps": i})
        for i, t in enumerate(tables)
    ]
    together = seed_replicates.Setting([], trials).together()
    assert (together.metrics, together.figures) == ({"loss": np.mean([1.0, 4.0, 2.5])}, {"steps": 1.0})
