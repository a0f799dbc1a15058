"""Whole floats are ints wherever an int is meant; settings that a trainer does not read are no part of its config."""

from __future__ import annotations

import pytest

import trainrun
from trainrun.config import saved
from trainrun.hydra_bridge import preflight, saved_config

# Overrides -> the key to look at, its value.
WHOLE = {
    "trainer.epochs=1e1": ("trainer.epochs", 10),
    "trainer.batch_size=32.0": ("trainer.batch_size", 32),
    "trainer.limit=60.0": ("trainer.limit", 60),
    "trainer.steps_per_epoch=2.0": ("trainer.steps_per_epoch", 2),
    "trainer.validation_freq=2.0": ("trainer.validation_freq", 2),
    "trainer=custom trainer.accumulate=2.0": ("trainer.accumulate", 2),
    "trainer=minimize trainer.steps=1e3 data=iris": ("trainer.steps", 1000),
    "model.units=1e1": ("model.units", 10),
    "model.units=[8.0,4]": ("model.units", [8, 4]),
    "model=layers model.layers=[{name: Dense, units: 16.0}]": (
        "model.layers",
        [{"name": "Dense", "units": 16}],
    ),
    "data=synthetic data.examples=1e3": ("data.examples", 1000),
    "metric=top_k_accuracy metric.top_k_accuracy.k=2.0": ("metric.top_k_accuracy.k", 2),
    "callback=early_stopping callback.early_stopping.patience=2.0": ("callback.early_stopping.patience", 2),
    "optimizer.ema_overwrite_frequency=5.0": ("optimizer.ema_overwrite_frequency", 5),
    "hardware=multi_worker hardware.port=2e4": ("hardware.port", 20_000),
    "tracking=none tracking.every_steps=1e2": ("tracking.every_steps", 100),
    "seed=7.0": ("seed", 7),
    "seeds=3.0": ("seeds", 3),
    "checkpoint.keep=3.0": ("checkpoint.keep", 3),
    "failure.retries=2.0": ("failure.retries", 2),
    "tune.steps=5e1": ("tune.steps", 50),
    "profile_steps=[2.0,4.0]": ("profile_steps", [2, 4]),
    "sweep.trials=2e1": ("sweep.trials", 20),
    "sweep/pruner=asha sweep.pruner.reduction_factor=4.0": ("sweep.pruner.reduction_factor", 4),
}


def at(config, key):
    for part in key.split("."):
        config = config[part]
    return config


def words(text):
    """Split a command line at the blanks outside of brackets."""
    parts: list[str] = []
    for part in text.split(" "):
        inside = parts and parts[-1].count("[") > parts[-1].count("]")
        parts = [*parts[:-1], f"{parts[-1]} {part}"] if inside else [*parts, part]
    return parts


@pytest.mark.parametrize("text", WHOLE)
def test_whole_floats_are_ints_where_an_int_is_meant_and_parts_are_refused(text, inside):
    key, value = WHOLE[text]
    config, problems = preflight.overrides(words(text))
    assert [p for p in problems if p.key == key] == []
    assert repr(at(config, key)) == repr(value)
    name, _, typed = next(w for w in words(text) if w.startswith(f"{key}=")).partition("=")
    half = "[{name: Dense, units: 1.5}]" if "Dense" in typed else "[1.5,2]" if "[" in typed else "1.5"
    others = [w for w in words(text) if not w.startswith(f"{key}=")]
    refused = preflight.overrides([*others, f"{name}={half}"])[1]
    assert any(p.key.startswith(key) and "whole number" in p.message for p in refused)


def test_a_number_that_need_not_be_whole_stays_a_float(inside):
    config, problems = preflight.overrides(["optimizer.learning_rate=1.0", "model.dropout=0.0"])
    assert problems == []
    assert repr(config["optimizer"]["learning_rate"]) == "1.0"


def test_every_point_of_a_sweep_has_ints(inside):
    plan, problems = preflight.sweep(["trainer.epochs=1e0,2e0", "seeds=2.0", "data=iris"])
    assert (problems, plan.total, repr(plan.seeds)) == ([], 2, "2")
    assert [p.key for p in preflight.sweep(["trainer.epochs=1e0,1.5", "data=iris"])[1]] == ["trainer.epochs"]


def test_python_builds_with_whole_floats():
    assert trainrun.build("layer", "Dense", units=4.0).units == 4


QUADRATIC = ["data=none", "model=quadratic", "loss=model_output", "metric=none"]


@pytest.mark.parametrize("trainer", ["minimize", "gradient_loop"])
def test_what_a_trainer_does_not_read_is_refused_if_typed_and_else_left_out(trainer, inside):
    for override in ("trainer.epochs=1000", "trainer.batch_size=8", "+trainer.shuffle=false"):
        # The experiment sets epochs and batch size for the trainers that read them.
        for overrides in (["experiment=quadratic"], QUADRATIC):
            (problem,) = preflight.overrides([*overrides, f"trainer={trainer}", override])[1]
            assert problem.key == override.lstrip("+").partition("=")[0]
            assert f"trainer={trainer} takes the whole data at once" in problem.message
    config, problems = preflight.overrides(["experiment=quadratic", f"trainer={trainer}"])
    assert problems == [] and not {"epochs", "batch_size", "shuffle"} & config["trainer"].keys()


def test_a_recorded_run_with_keys_that_its_trainer_does_not_read_is_read(inside):
    config, _ = preflight.overrides([*QUADRATIC, "trainer=minimize"])
    config["trainer"] |= {"epochs": 10, "batch_size": 32, "shuffle": True}
    import yaml

    (inside / saved.FILE).write_text(yaml.safe_dump(config))
    assert "epochs" not in saved_config.load(inside)["trainer"]
