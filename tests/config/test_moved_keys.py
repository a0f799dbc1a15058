"""Keys that have moved: the old one answers with the new one, and what was recorded before still works.

`recorded_before_keys_moved/` holds a run's config.yaml and a sweep's sweep.json as the version before the move wrote them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from trainrun.cli import main
from trainrun.config import moved_keys, saved
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight
from trainrun.sweep import sweep_record

RECORDED = Path(__file__).parent / "recorded_before_keys_moved"
QUIET = ["data=iris", "trainer.epochs=1", "tracking=none", "artifacts=none"]


@pytest.mark.parametrize(
    ("typed", "current"),
    [
        ("on_failure.lost=stop", ["failure.lost=stop"]),
        ("+on_failure.lost=stop", ["+failure.lost=stop"]),
        ("objective=[val_loss,parameters]", ["sweep.objective=[val_loss,parameters]"]),
        ("direction=maximize", ["sweep.direction=maximize"]),
        ("sweep.seeds=3", ["seeds=3"]),
        ("sweep.pruner=asha", ["sweep/pruner=asha"]),
        ("sweep.pruner=null", ["sweep/pruner=none"]),
        (
            "sweep.pruner={name: asha, reduction_factor: 4}",
            ["sweep/pruner=asha", "sweep.pruner.reduction_factor=4"],
        ),
    ],
)
def test_an_old_key_answers_with_what_to_write_instead(typed, current, inside, capsys):
    assert moved_keys.translated(typed) == current
    assert main(["check", typed]) == 2
    assert f"it has moved. Write {' '.join(current)}." in capsys.readouterr().err
    assert main(["check", "-m", "optimizer=adam,sgd", typed]) == 2
    assert f"it has moved. Write {' '.join(current)}." in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed",
    [
        "sweep.objective=val_auc",
        "seeds=3",
        "sweep/pruner=asha",
        "sweep.pruner.min_epochs=2",
        "~tracking",
        "-m",
    ],
)
def test_keys_of_today_stay_as_they_are(typed):
    assert moved_keys.translated(typed) == [typed]


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ({"on_failure": {"lost": "stop"}}, "on_failure", "Write failure instead"),
        ({"objective": "val_auc"}, "objective", "Write sweep.objective instead"),
        ({"sweep": {"seeds": 3}}, "sweep.seeds", "Write seeds instead"),
        ({"sweep": {"pruner": "asha"}}, "sweep.pruner", "`- override /sweep/pruner: NAME`"),
    ],
)
def test_an_old_key_in_a_projects_yaml_answers_with_the_new_one(content, key, message, inside):
    tree = {"defaults": ["trainrun", {"data": "iris"}, {"model": "mlp"}, {"loss": "auto"}, {"optimizer": "adam"},
                         {"schedule": "constant"}, {"trainer": "fit"}, {"hardware": "auto"}, {"tracking": "none"},
                         "_self_"], **content}  # fmt: skip
    (inside / "conf").mkdir()
    (inside / "conf" / "config.yaml").write_text(yaml.dump(tree))
    _, problems = preflight.overrides([])
    assert [p.key for p in problems] == [key] and message in problems[0].message


def test_a_run_recorded_before_has_its_settings_under_the_new_keys(tmp_path):
    shutil.copy(RECORDED / "config.yaml", tmp_path)
    config = saved.load(tmp_path)
    assert config["failure"]["lost"] == "stop" and config["failure"]["retries"] == 2
    assert config["sweep"]["objective"] == "val_accuracy" and config["sweep"]["pruner"] == {"name": "none"}
    assert not {"on_failure", "objective", "direction"} & config.keys()
    assert config["seeds"] is None and "seeds" not in config["sweep"]


def test_the_model_of_a_run_is_used_without_where_its_alerts_went(tmp_path, monkeypatch):
    monkeypatch.delenv("TRAINRUN_ALERT_WEBHOOK", raising=False)
    config = yaml.safe_load((RECORDED / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.dump({**config, "alert": {"webhook": True}}))
    assert saved.load(tmp_path)["alert"]["webhook"] is True
    with pytest.raises(UserError, match=r"alert\.webhook.*goes nowhere"):
        saved.load(tmp_path, trains=True)


def test_a_run_recorded_before_resumes(inside, capsys):
    assert main([*QUIET, "hydra.run.dir=run"]) == 0
    shutil.copy(RECORDED / "config.yaml", "run")
    assert main(["resume", "run", "trainer.epochs=2", "on_failure.lost=stop"]) == 2
    assert "Write failure.lost=stop" in capsys.readouterr().err
    assert main(["resume", "run", "trainer.epochs=2", "failure.retries=3"]) == 0
    config = yaml.safe_load(Path("run", "config.yaml").read_text())
    assert config["failure"]["retries"] == 3 and "on_failure" not in config
    assert json.loads(Path("run", "summary.json").read_text())["epochs"] == 2


def test_a_sweep_recorded_before_has_its_settings_and_overrides_under_the_new_keys(tmp_path):
    shutil.copy(RECORDED / "sweep.json", tmp_path)
    content = sweep_record.read(tmp_path)
    settings = content["settings"]
    assert settings["pruner"] == {
        "name": "asha", "min_epochs": "auto", "reduction_factor": 3, "min_early_stopping_rate": 0,
    }  # fmt: skip
    assert (settings["objective"], settings["direction"]) == ("val_accuracy", "maximize")
    for overrides in (
        settings["overrides"],
        settings["sweeper"]["overrides"],
        *(o for _, o in content["points"]),
    ):
        assert {
            "sweep.objective=val_accuracy",
            "sweep.direction=maximize",
            "sweep/pruner=asha",
            "failure.minutes=1",
        } <= {*overrides}


@pytest.mark.slow
def test_a_sweep_recorded_before_goes_on_and_takes_further_points(inside, capsys):
    (inside / "sweep").mkdir()
    shutil.copy(RECORDED / "sweep.json", "sweep")
    assert main(["resume", "sweep", "optimizer.learning_rate=0.1"]) == 0
    assert {int(p.parent.name) for p in Path("sweep").glob("*/summary.json")} == {0, 1, 2}
    config = yaml.safe_load(Path("sweep", "2", "config.yaml").read_text())
    assert config["failure"]["minutes"] == 1 and config["sweep"]["pruner"]["name"] == "asha"
    assert main(["best", "sweep"]) == 0
    assert "failure.minutes=1" in capsys.readouterr().out


def test_options_of_a_project_are_read_under_the_new_keys_while_its_old_sweep_goes_on(inside, monkeypatch):
    from trainrun.registry import folder_copies

    copy = inside / "copy"
    (copy / "experiment").mkdir(parents=True)
    (copy / "experiment" / "mine.yaml").write_text(
        "# @package _global_\non_failure: {lost: stop}\nobjective: val_accuracy\nsweep: {pruner: asha}\n"
    )
    (inside / "conf").mkdir()
    with folder_copies.used({str(inside / "conf"): str(copy)}):
        config, problems = preflight.overrides(["experiment=mine"])
    assert not problems
    assert config["failure"]["lost"] == "stop" and config["sweep"]["objective"] == "val_accuracy"
    assert config["sweep"]["pruner"]["reduction_factor"] == 3


def test_a_run_recorded_before_keeps_what_its_table_was_read_by(tmp_path):
    """`data.positive` and `data.formats` did not exist, missing values were an error by default."""
    old = {"name": "csv", "path": "t.csv", "target": "y", "missing": "error"}
    groups = {k: {"name": k} for k in ("model", "loss", "optimizer", "trainer")}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"data": old, **groups}))
    data = saved.load_plain(tmp_path)["data"]
    assert data == {**old, "positive": None, "formats": "plain", "target_transform": "none"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"data": {"name": "iris"}, **groups}))
    assert saved.load_plain(tmp_path)["data"] == {"name": "iris"}
