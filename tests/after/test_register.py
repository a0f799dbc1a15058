"""`trainrun register`: a version and an alias in MLflow's registry, only for what is better on the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn.metrics import log_loss

import trainrun
from trainrun.cli import main

TYPED = [
    *("data=iris", "metric=accuracy", "artifacts.plots=false", "artifacts.report=false", "tracking.uri=r.db"),
]


def train(name: str, *overrides: str) -> None:
    trainrun.run([*TYPED, *overrides], f"outputs/runs/{name}")


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train("weak", "trainer.epochs=1", "optimizer.learning_rate=1e-5")
    train("strong", "trainer.epochs=20", "optimizer.learning_rate=0.02")
    train("else", "trainer.epochs=1", "data.seed=1")
    return MlflowClient(tracking_uri="sqlite:///r.db")


def test_a_better_model_takes_the_alias_and_a_worse_one_is_refused(inside, capsys):
    typed = ["register", "weak", "iris", "--alias", "champion", "--if-better"]
    assert main(typed) == 0 and "iris version 1, alias champion" in capsys.readouterr().out
    assert main(typed) == 0 and "iris version 1, alias champion" in capsys.readouterr().out
    assert main(["register", "strong", *typed[2:], "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["version"] == "2" and content["comparison"]["better"] is True
    runs = [trainrun.load(name) for name in ("strong", "weak")]
    y = runs[0].data().test.y
    probabilities = [run.model.predict(run.data().test.x, verbose=0) for run in runs]
    assert content["comparison"]["value"] == pytest.approx(log_loss(y, probabilities[0]), rel=1e-4)
    # The interval of a mean of differences.
    each = np.subtract(*(-np.log(p[np.arange(len(y)), y]) for p in probabilities))
    width = content["comparison"]["high"] - content["comparison"]["low"]
    assert width == pytest.approx(2 * 1.96 * each.std() / np.sqrt(len(y)), rel=0.2)
    assert main(typed) == 1
    assert "not better than champion beyond noise" in capsys.readouterr().err
    champion = inside.get_model_version_by_alias("iris", "champion")
    ids = [
        json.loads(Path(f"outputs/runs/{n}/summary.json").read_text())["mlflow"]["run_id"]
        for n in ("weak", "strong")
    ]
    assert (champion.version, champion.run_id) in [("2", ids[1]), (2, ids[1])]
    assert {str(v.version): v.run_id for v in inside.search_model_versions("name = 'iris'")} == {
        "1": ids[0],
        "2": ids[1],
    }
    assert sorted(p.name for p in Path().iterdir()) == ["mlartifacts", "outputs", "r.db"]
    # What is registered stays, whatever is removed.
    assert main(["rm", "weak", "--yes"]) == 2 and "registered model" in capsys.readouterr().err
    for arguments, message in (
        (["else", "iris", "--alias", "champion", "--if-better"], "have not the same rows in their test part"),
        (["else", "iris", "--if-better"], "Name its alias"),
        (["weak", "iris"], "in no tracker that has a registry"),
    ):
        if arguments[0] == "weak":
            Path("outputs/runs/weak/tracking.json").unlink()
        assert main(["register", *arguments]) == 2
        assert message in " ".join(capsys.readouterr().err.split())
