"""What a run writes down about itself."""

from __future__ import annotations

import json

from trainrun.cli import main

OFF = ["tracking=none", "artifacts=none", "data=iris", "trainer.epochs=1", "metric=none"]


def test_trials_of_a_sweep_bear_different_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["-m", *OFF, "optimizer.learning_rate=0.1,0.2", "hydra.launcher.n_jobs=1"]) == 0
    journals = tmp_path.glob("outputs/sweeps/*/[01]/journal.jsonl")
    starts = [json.loads(path.read_text(encoding="utf-8").splitlines()[0]) for path in journals]
    # What varies comes before the rest: trackers cut names of hundreds of characters.
    names = sorted(start["name"].split()[:2] for start in starts)
    assert names == [["0", "optimizer.learning_rate=0.1"], ["1", "optimizer.learning_rate=0.2"]]
