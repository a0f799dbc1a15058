"""`init_from`: a run that begins where another has ended."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import trainrun
from trainrun.errors import UserError

SMALL = [
    "data=iris",
    "model=mlp",
    "model.units=[8]",
    "tracking=none",
    "artifacts.plots=false",
    "trainer.shuffle=false",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run of one epoch, and one of two."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for epochs in (1, 2):
            trainrun.run(
                [*SMALL, f"trainer.epochs={epochs}", "artifacts.weights=last"],
                run_dir=f"outputs/runs/of_{epochs}",
            )
    return folder


def test_a_run_goes_on_from_weights_and_optimizer_of_another(trained, monkeypatch):
    monkeypatch.chdir(trained)
    result = trainrun.run(
        [*SMALL, "trainer.epochs=1", "artifacts.weights=last", "init_from=of_1", "init_optimizer=true"],
        run_dir="outputs/runs/on",
    )
    assert result.config["init_from"] == "outputs/runs/of_1"
    whole = trainrun.load("of_2")
    for got, expected in zip(result.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)
    events = [json.loads(line) for line in (result.run_dir / "journal.jsonl").read_text().splitlines()]
    (event,) = [e for e in events if e.get("event") == "initial_weights"]
    assert [w["outcome"] for w in event["weights"]] == ["loaded"] * 4 and event["optimizer"] == [9, 9]


def test_only_the_first_phase_goes_on_with_the_optimizer(trained, monkeypatch):
    monkeypatch.chdir(trained)
    result = trainrun.run(
        [*SMALL, "init_from=of_1", "init_optimizer=true", "phases=[{epochs: 1}, {epochs: 1}]"],
        run_dir="outputs/runs/phased",
    )
    # 3 updates of the other run and 3 of each phase.
    assert result.summary["steps"] == 3 + 2 * 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["init_from=nowhere"], "no run 'nowhere'"),
        (["init_skip='.*bias'"], "init_skip: it goes with init_from"),
        (["init_from=of_1", "init_skip='(['"], "no regular expression"),
        (["init_from=outputs/runs/of_1/model.keras", "init_optimizer=true"], "init_optimizer: .* has none"),
        (
            ["init_from=of_1", "model=file", "model.path=outputs/runs/of_1/model.keras"],
            "model=file takes all weights",
        ),
        (["init_from=outputs/runs/of_1/config.yaml"], "expected a run, or a file ending in .keras"),
        (["init_from=https://e.org/m.keras"], "https://e.org/m.keras is an address"),
        (["model=file", "model.path=nowhere"], "no run 'nowhere'"),
        (["model=file", "model.path=https://e.org/m.keras"], "https://e.org/m.keras is an address"),
    ],
)
def test_what_cannot_be_is_refused_before_tensorflow(trained, monkeypatch, overrides, message):
    monkeypatch.chdir(trained)
    with pytest.raises(UserError, match=message):
        trainrun.compose([*SMALL, *overrides])


def test_the_model_of_a_run_is_named_by_a_word(trained, monkeypatch):
    monkeypatch.chdir(trained)
    for word in ("of_1", "outputs/runs/of_1"):
        config = trainrun.compose(["data=iris", "model=file", f"model.path={word}"])
        assert Path(config["model"]["path"]).samefile("outputs/runs/of_1")
    still = ["model=file", "model.path=of_1", "optimizer.learning_rate=1e-30"]
    of_file = trainrun.run(["data=iris", *SMALL[3:], "trainer.epochs=1", *still])
    for got, expected in zip(
        of_file.model.get_weights(), trainrun.load("of_1").model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_a_word_that_means_no_run_is_reported_with_all_other_problems(trained, monkeypatch):
    monkeypatch.chdir(trained)
    with pytest.raises(UserError) as refused:
        trainrun.compose([*SMALL, "init_from=nowhere", "trainer.epochs=0"])
    assert [p.key for p in refused.value.problems] == ["init_from", "trainer.epochs"]


def test_data_of_another_form_is_refused_with_the_reason(trained, monkeypatch):
    monkeypatch.chdir(trained)
    with pytest.raises(UserError, match="init_from: the model was trained on 4 numbers an example"):
        trainrun.run([*SMALL[1:], "data=wine", "init_from=of_1"])
