"""Processes that run several trials: what may share one, and what ends it."""

from __future__ import annotations

import json

import pytest
import sweeping
from sweeping import only_sweep, summaries

import trainrun
from trainrun.registry import lookup
from trainrun.sweep.launchers import local_worker

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "data=iris", "trainer.epochs=2"]


def key(*settings):
    return local_worker.program_key(trainrun.compose([*QUIET, *settings]))


def test_numbers_that_are_in_variables_share_a_program():
    assert key("seed=1") == key("seed=2", "optimizer.learning_rate=0.1", "trainer.epochs=9", "name=other")


@pytest.mark.parametrize(
    "setting", ["model.dropout=0.5", "optimizer=sgd", "trainer.batch_size=8", "model.units=[3]"]
)
def test_settings_compiled_into_the_program_do_not_share_one(setting):
    assert key() != key(setting)


@pytest.mark.parametrize(
    "setting",
    ["sweep.reuse=never", "trainer.run_eagerly=true", "trainer=train_on_batch", "tune.learning_rate=auto",
     "callback=swap_ema_weights", "profile=true", "hardware.virtual_devices=2"],
)  # fmt: skip
def test_configs_that_cannot_share_a_program_get_a_process_of_their_own(setting):
    settings = ["hardware=mirrored", setting] if "virtual" in setting else [setting]
    settings += ["optimizer.use_ema=true"] if "ema" in setting else []
    assert key(*settings) is None


def test_configs_that_use_a_plugin_get_a_process_of_their_own(tmp_path):
    (tmp_path / "own.py").write_text(
        'import trainrun\n@trainrun.register("layer", "Twice")\nclass Twice:\n    pass\n'
    )
    with lookup.isolated():
        listed = f"plugins=[{tmp_path}/own.py]"
        assert key(listed, "model=layers", "model.layers=[{name: Twice}]") is None
        assert key(listed) is not None, "listed, but not used"


@pytest.mark.slow
def test_trials_of_one_process_come_to_what_they_come_to_alone(tmp_path):
    points = ["seed=1,2", "optimizer.learning_rate=0.01,0.02"]
    done = sweeping.trainrun(tmp_path, "-m", *QUIET, *points, "hydra.launcher.n_jobs=1")
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = only_sweep(tmp_path)
    started = [json.loads((sweep / str(i) / "journal.jsonl").read_text().splitlines()[0]) for i in range(4)]
    assert len({s["pid"] for s in started}) == 1
    result = trainrun.run([*QUIET, "seed=2", "optimizer.learning_rate=0.02"], run_dir=tmp_path / "alone")
    summary = summaries(sweep)[3]
    assert summary["weights_sha256"] == result.summary["weights_sha256"]
    assert summary["metrics"] == result.metrics
    logs = [(sweep / str(i) / "run.log").read_text() for i in range(4)]
    assert all(log.count("best epoch") == 1 for log in logs)  # each its own
