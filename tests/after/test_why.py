"""`trainrun why`: file and line of each place that sets a value, then the overrides."""

from __future__ import annotations

import json

import pytest

from trainrun.after import why
from trainrun.cli import main
from trainrun.errors import UserError
from trainrun.registry import lookup

CONF = lookup.package_conf()


def line_of(option: str, key: str) -> str:
    lines = (CONF / f"{option}.yaml").read_text().splitlines()
    number = next(i for i, text in enumerate(lines, start=1) if text.strip().startswith(f"{key}:"))
    return f"conf/{option}.yaml:{number}"


def test_files_come_before_overrides_and_the_last_counts():
    (one,) = why.of_overrides(
        "optimizer.learning_rate", ["optimizer=sgd", "optimizer.learning_rate=0.5", "seed=3"]
    )
    assert one.value == 0.5
    assert [(s.place, s.value) for s in one.settings] == [
        (line_of("optimizer/sgd", "learning_rate"), 0.01),
        ("optimizer.learning_rate=0.5", 0.5),
    ]
    assert one.settings[0].chosen_by == "optimizer=sgd" and one.place == "optimizer.learning_rate=0.5"


def test_an_experiment_and_the_settings_of_a_project_have_their_lines(inside):
    (inside / "conf" / "experiment").mkdir(parents=True)
    (inside / "conf" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ntrainer:\n  epochs: 7\noptimizer:\n  learning_rate: 0.2\n"
    )
    explained = {e.key: e for e in why.of_overrides("trainer", ["experiment=mine"])}
    assert explained["trainer.epochs"].place == "conf/experiment/mine.yaml:3"
    assert explained["trainer.batch_size"].place == line_of("trainer/fit", "batch_size")


def test_a_recorded_run_and_one_that_was_resumed_are_explained(within, capsys):
    assert main(["why", "second", "optimizer.name", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["value"] == "SGD" and one["settings"][-1]["place"] == line_of("optimizer/sgd", "name")
    (rate,) = why.of_run(within / "outputs/sweeps/rates/1", "optimizer.learning_rate")
    assert rate.place == "optimizer.learning_rate=1e-05"


def test_an_unknown_key_and_wrong_words_are_refused(within, capsys):
    with pytest.raises(UserError, match=r"Did you mean optimizer\.learning_rate"):
        why.of_overrides("optimizer.learning_rat")
    assert main(["why", "first", "seed", "seed=3"]) == 2
    assert "expected KEY and overrides, or RUN and KEY" in capsys.readouterr().err
