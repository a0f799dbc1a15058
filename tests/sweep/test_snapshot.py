"""A sweep works on what it began with: options, plug-ins, and which trainrun; what is edited meanwhile is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sweeping import QUIET, only_sweep, trainrun

from trainrun.errors import UserError
from trainrun.hydra_bridge import compose
from trainrun.registry import option_files
from trainrun.sweep import snapshot

# The first trial edits everything while the sweep runs: a neighbour that the plug-in imports, itself, and an option.
PLUGIN = """
import pathlib, sys
HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
import helper
import keras, trainrun
NOTE = (HERE / "note.txt").read_text()

@trainrun.register("callback", "teller")
def teller(what: int = 0):
    class Teller(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            print("TELLS", helper.WORD, OWN, NOTE, pathlib.Path(__file__).parent.name)
            if what == 0:
                (HERE / "helper.py").write_text("WORD = 'edited'")
                mine = HERE / "plug.py"
                mine.write_text(mine.read_text().replace("OWN = 'first'", "OWN = 'edited'"))
                option = pathlib.Path("conf/optimizer/mine.yaml")
                option.write_text(option.read_text().replace("0.01", "0.5"))
    return Teller()

OWN = 'first'
"""
OPTION = "# mine\ndefaults:\n  - adam\n  - _self_\nlearning_rate: 0.01\n"


def settings(plugins=()):
    return {"plugins": list(plugins)}


def project(folder):
    (folder / "conf" / "optimizer").mkdir(parents=True)
    (folder / "conf" / "optimizer" / "mine.yaml").write_text(OPTION)
    (folder / "plug.py").write_text(PLUGIN)
    (folder / "helper.py").write_text("WORD = 'first'")
    (folder / "note.txt").write_text("data")


@pytest.fixture
def as_new(monkeypatch):
    """Have the plug-in import its neighbour anew, from its own folder, and this process forget both afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    # This process imports the originals, and may leave their bytecode there; what is looked for is that of the trials.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.modules.pop("helper", None)


def run(folder):
    project(folder)
    words = ["trainer.epochs=1", "plugins=[./plug.py]", "callback=teller", "callback.teller.what=0,1"]
    words += ["optimizer=mine", "hydra.launcher.n_jobs=1"]
    done = trainrun(folder, "-m", *QUIET, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = only_sweep(folder)
    logs = [(sweep / str(n) / "run.log").read_text() for n in (0, 1)]
    rates = [
        yaml.safe_load((sweep / str(n) / "config.yaml").read_text())["optimizer"]["learning_rate"]
        for n in (0, 1)
    ]
    remarks = [
        [r["message"] for r in map(json.loads, (sweep / str(n) / "journal.jsonl").read_text().splitlines()) if r.get("event") == "remark"]
        for n in (0, 1)
    ]  # fmt: skip
    return sweep, done.stdout + done.stderr, logs, rates, remarks


@pytest.mark.slow
def test_edited_plugins_are_used_and_every_such_trial_records_it(tmp_path, as_new):
    _, output, logs, rates, remarks = run(tmp_path)
    assert "TELLS first first data" in logs[0] and "TELLS edited edited data" in logs[1]
    assert rates == [0.01, 0.01], "an edited option changed a trial that was still to come"
    assert remarks[0] == [] and len(remarks[1]) == 2
    about_code, about_conf = remarks[1]
    assert "helper.py" in about_code and "plug.py" in about_code and "with the edited code" in about_code
    assert "mine.yaml" in about_conf and "copies" in about_conf
    assert about_code in output and logs[1].count(about_code) == 1
    assert "edited since" not in logs[0]


def test_options_are_composed_from_the_copy(inside):
    (inside / "conf" / "optimizer").mkdir(parents=True)
    option = inside / "conf" / "optimizer" / "mine.yaml"
    option.write_text(OPTION)
    began = snapshot.take(inside, settings())
    option.write_text(OPTION.replace("0.01", "0.5"))
    assert compose.compose(["optimizer=mine"]).optimizer.learning_rate == 0.5
    with began.used():
        assert compose.compose(["optimizer=mine"]).optimizer.learning_rate == 0.01
        assert option_files.find("optimizer", "mine").values["learning_rate"] == 0.01
        option.unlink()
        assert compose.compose(["optimizer=mine"]).optimizer.learning_rate == 0.01
    assert option_files.find("optimizer", "mine") is None


def test_a_file_that_was_only_touched_is_not_edited(inside):
    (inside / "plug.py").write_text("import trainrun")
    began = snapshot.take(inside, settings(["./plug.py"]))
    (inside / "plug.py").write_text("import trainrun")
    assert began.edits() == []
    (inside / "plug.py").write_text("import trainrun # more")
    assert "plug.py" in began.edits()[0]
    (inside / "plug.py").unlink()
    assert "plug.py" in began.edits()[0]


def test_the_record_names_commit_and_diff(inside):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(inside)]
    (inside / "plug.py").write_text("import trainrun\n")
    for command in (["init", "-q"], ["add", "plug.py"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    (inside / "plug.py").write_text("import trainrun  # changed\n")
    snapshot.take(inside / "sweep", settings(["./plug.py"]))
    content = json.loads((inside / "sweep" / "snapshot" / "code.json").read_text())
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert content["project"] == {"commit": commit, "dirty": True}
    assert "+import trainrun  # changed" in (inside / "sweep" / "snapshot" / "project.diff").read_text()
    assert content["versions"]["trainrun"]


def test_a_sweep_that_was_moved_finds_its_copies(inside):
    project(inside)
    snapshot.take(inside / "sweep", settings(["./plug.py"]))
    (inside / "sweep").rename(inside / "moved")
    copy = Path(snapshot.read(inside / "moved").folders[str(inside / "conf")])
    assert (copy / "optimizer" / "mine.yaml").is_file() and copy.is_relative_to(inside / "moved")


@pytest.mark.parametrize("copy", ["../../evil", "/etc"])
def test_no_copied_folder_lies_outside_the_snapshot(inside, copy):
    project(inside)
    snapshot.take(inside, settings())
    path = inside / "snapshot" / "code.json"
    record = json.loads(path.read_text())
    record["folders"][str(inside / "conf")] = copy
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="leaves the snapshot"):
        snapshot.read(inside)


def test_damaged_record_is_an_error_with_a_message(inside):
    (inside / "snapshot").mkdir()
    (inside / "snapshot" / "code.json").write_text("[")
    with pytest.raises(UserError, match="cannot be read"):
        snapshot.of(inside, settings())
