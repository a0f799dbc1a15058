"""Files of a run or sweep that were received: hypothesis alters them; every verb that reads them answers, and does nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import shutil
import socket
import zipfile
from pathlib import Path

import pytest
import yaml
from badinput_harness import unspoilt
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trainrun.cli import main
from trainrun.config import schema
from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.data.preprocessor import Column, Preprocessor
from trainrun.errors import TrainingError, UserError
from trainrun.hydra_bridge import sweep_grammar
from trainrun.run import runner
from trainrun.sweep import loop, removed_trials
from trainrun.sweep.launchers import factory, launcher_settings
from trainrun.sweep.space import study_storage
from trainrun.sweep.space.optuna_study import Study
from trainrun.sweep.trial import Trial
from trainrun.tracking import find, summary

MORE = int(os.environ.get("TRAINRUN_FUZZ", "1"))
FUZZ = {
    "derandomize": MORE == 1,
    "deadline": 60_000,  # milliseconds: nothing hangs
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
CONTROL = "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b"
HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5),
    st.sampled_from([
        CONTROL, "\ud800", "../../../escaped", "/escaped", "~/escaped", "http://127.0.0.1:9/", "last", "***", "${oc.env:HOME}", "a\0b",
        "nan", 10**400, -1, 2**70, [], {}, [[]], {"name": "a"}, [["a", 1]], [None], {"": {}}, {"$float": "nan"}, "FINISHED", "RUNNING",
        {"_target_": "os.system"}, "x" * 3000,
    ]),
)  # fmt: skip


def altered(draw, tree):
    """Return a tree with one to three of its nodes replaced, taken out or doubled."""
    tree = json.loads(json.dumps(tree))
    for _ in range(draw(st.integers(1, 3))):
        places = (
            [(tree, key) for key in tree] if isinstance(tree, dict) else [(tree, i) for i in range(len(tree))]
        )
        for node, key in places:
            inside = node[key]
            if isinstance(inside, dict | list) and len(places) < 500:
                places += [(inside, k) for k in (inside if isinstance(inside, dict) else range(len(inside)))]
        if not places:
            return tree
        node, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "remove", "double"]))
        if how == "replace":
            node[key] = draw(HOSTILE)
        elif how == "remove":
            del node[key]
        elif isinstance(node, list):
            node.insert(key, node[key])
        else:
            node[draw(st.text(max_size=3))] = node[key]
    return tree


def start(run_id, **more):
    return {
        "seq": 0, "time": 1.0e9, "kind": "start", "run_id": run_id, "name": "a run", "host": platform.node(), "pid": 2**22 + 1,
        "boot": "x", "started": 1.0, "cwd": "/", "config": {"metric": {"accuracy": {"name": "accuracy"}}, "seed": 1}, "params": {"seed": 1},
        "overrides": ["seed=1"], "command": "trainrun seed=1", "tags": {}, "versions": {"keras": "3"}, "git": {"commit": "a", "dirty": True},
        "dataset": {"name": "iris", "digest": "d"}, "plugins": {}, "seed": 1,
        "tracking": [{"tracker": "mlflow", "uri": "http://127.0.0.1:9", "experiment": "e", "settings": {}}], **more,
    }  # fmt: skip


def records(run_id, end="FINISHED"):
    epochs = [
        {
            "seq": i,
            "time": 1.0e9 + i,
            "kind": "epoch",
            "epoch": i,
            "step": 3 * i,
            "metrics": {"loss": 1 / i, "val_loss": 2 / i},
        }
        for i in (1, 2)
    ]
    rest = [
        {"seq": 3, "time": 1.0e9, "kind": "metrics", "epoch": 2, "step": 6, "metrics": {"test_loss": 0.5}},
        {"seq": 4, "time": 1.0e9, "kind": "artifact", "path": "config.yaml", "bytes": 3},
        start(run_id, seq=5, resumed_from={"epoch": 1, "updates": 3}),
        {"seq": 6, "time": 1.0e9, "kind": "event", "event": "remark", "message": "x"},
    ]
    return [
        start(run_id),
        *epochs,
        *rest,
        *([{"seq": 7, "time": 1.0e9, "kind": "end", "status": end, "reason": "why"}] if end else []),
    ]


RUN, SWEEP = "outputs/runs/2026-01-02_03-04-05_abcdef", "outputs/sweeps/2026-01-02_03-04-05_ghijkl"
SUMMARY = summary.build(
    run_id="a", status="FINISHED", seed=1, overrides=["seed=1"], epochs=2, steps=6, metrics={"loss": 0.5, "val_loss": 1.0},
    best={"loss": {"value": 0.5, "epoch": 2}, "val_loss": {"value": 1.0, "epoch": 2}}, seconds={"total": 1.0, "train": 1.0},
)  # fmt: skip
TRACKING = {
    "deliveries": [
        {"tracker": "mlflow", "tracking_uri": "http://127.0.0.1:9", "experiment": "e", "experiment_id": "1", "run_id": "r", "next": 2,
         "left": {"1": "why"}}
    ]
}  # fmt: skip
RECORD = {
    "format": 1, "started": 1.0e9, "cwd": "/",
    "settings": {"objective": "val_loss", "direction": "minimize", "varying": ["seed"], "overrides": ["seed=1,2"],
                 "command": ["trainrun", "-m", "seed=1,2"], "tracking": {"name": "none", "timeout": 0.2}, "plugins": [], "name": None, "seeds": None,
                 "pruner": None, "swept": {"seed": "1,2"}, "space": {}, "trials": 2,
                 "sweeper": {"name": "grid", "overrides": ["seed=1,2"]}, "launcher": {"name": "local", "n_jobs": 1}},
    "points": [[0, ["seed=1"]], [1, ["seed=2"]]],
}  # fmt: skip


SEEN = {"sha256": "0" * 64, "bytes": 3, "time": 1, "copy": "conf/0_main/a.yaml"}
CODE = {
    "versions": {"keras": "3"}, "package": None, "project": {"commit": "a", "dirty": False}, "folders": {"/nowhere/conf": "conf/0_main"},
    "conf": {"/nowhere/conf/a.yaml": SEEN}, "plugins": {"/dev/zero": {**SEEN, "copy": "plugins/0/mine.py"}},
}  # fmt: skip


def lines(entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A project with one run and one sweep of two trials, as they are received."""
    folder = tmp_path_factory.mktemp("received")
    with unspoilt():
        from trainrun.hydra_bridge import preflight

        config, problems = preflight.overrides(["data=iris", "tracking=none"])
    assert not problems and set(config) == set(schema.plain())
    for run_dir, end in ((RUN, None), (f"{SWEEP}/0", "FINISHED"), (f"{SWEEP}/1", "FAILED")):
        place = folder / run_dir
        place.mkdir(parents=True)
        (place / "journal.jsonl").write_text(lines(records(place.name, end)))
        (place / "summary.json").write_text(json.dumps({**SUMMARY, "status": end or "RUNNING"}))
        (place / "tracking.json").write_text(json.dumps(TRACKING))
        (place / "config.yaml").write_text(yaml.safe_dump(config))
        (place / "run.log").write_text("a line\n")
        (place / ".training.lock").write_text(json.dumps(start(place.name)))
    (folder / SWEEP / "sweep.json").write_text(json.dumps(RECORD))
    (folder / SWEEP / "points.jsonl").write_text(lines([[2, ["seed=3"]]]))
    removed_trials.record(
        folder / SWEEP,
        Trial(2, [], [], folder, {}, "FINISHED", metrics={"val_loss": 0.5}, seconds=1.0, epochs=2),
    )
    (folder / SWEEP / "snapshot").mkdir()
    (folder / SWEEP / "snapshot" / "code.json").write_text(json.dumps(CODE))
    (folder / SWEEP / "journal.jsonl").write_text(
        lines([start("sweep", sweep={"total": 2, "jobs": 1, "done": 0}), *records("sweep")[3:5]])
    )
    return folder


VERBS = {
    "journal.jsonl": [["runs"], ["runs", "--json"], ["runs", SWEEP], ["best", SWEEP], ["sync", "--all", "--timeout", "0"], ["resume", RUN]],
    "summary.json": [["runs", "--json"], ["runs", SWEEP], ["best", SWEEP], ["resume", RUN]],
    "tracking.json": [["runs"], ["runs", "nosuch"], ["resume", "r"], ["sync", RUN, "--timeout", "0"]],
    "sweep.json": [["runs"], ["runs", SWEEP, "--json"], ["best", SWEEP], ["resume", SWEEP]],
    "config.yaml": [["resume", RUN]],
    "points.jsonl": [["runs", SWEEP], ["resume", SWEEP]],
    "removed.jsonl": [["runs", SWEEP], ["best", SWEEP], ["resume", SWEEP]],
    "code.json": [["resume", SWEEP]],
    ".training.lock": [["runs"], ["resume", RUN], ["sync", RUN, "--timeout", "0"]],
}  # fmt: skip


class Reached(Exception):
    """Training would begin here, or a request be sent."""


@pytest.fixture
def isolated(monkeypatch, tmp_path):
    """Nothing trains, and no address may be contacted; all that would is noted."""
    contacted, connect = [], socket.socket.connect

    def refuse(self, address, *rest):
        if isinstance(address, str):  # a process of this machine: the fork server of an earlier test
            return connect(self, address)
        contacted.append(address)
        raise OSError("no network here")

    def reached(*args, **kwargs):
        raise Reached

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: refuse(None, a))
    monkeypatch.setattr(runner, "run", reached)
    monkeypatch.setattr(loop, "run", reached)
    monkeypatch.setattr(factory, "of", lambda *a, **k: None)
    monkeypatch.setattr("trainrun.tracking.mlflow.tracker.MlflowTracker.prepare", reached)
    monkeypatch.setattr(launcher_settings, "problems", lambda *a, **k: [])
    return contacted


def outside(folder: Path) -> set[str]:
    """Return what there is in a folder besides the received files, and what those are."""
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if not p.is_relative_to(folder / "project" / "outputs")
    }


def answers(folder, argv, contacted):
    """Run a verb; it prints text without control characters, ends with a code of ours, and leaves nothing outside of outputs/."""
    before, printed = outside(folder), io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        unspoilt(),
        contextlib.suppress(Reached),
    ):
        assert main(argv) in (0, 1, 2), argv
    text = printed.getvalue()
    assert not [
        c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f" or c in "\u202e\u200b"
    ], argv
    assert "Traceback" not in text, argv
    assert contacted == [] and outside(folder) == before, argv


@pytest.mark.parametrize("file", list(VERBS))
def test_received_files_are_read_or_refused(file, template, isolated, tmp_path, monkeypatch):
    places = [p.relative_to(template) for p in sorted(template.rglob(file))]

    @settings(
        # A sweep's verbs compose the configs of all trials: seconds an example.
        max_examples={"journal.jsonl": 20, "code.json": 3, "points.jsonl": 4}.get(file, 8) * MORE,
        phases=[Phase.explicit, Phase.generate],
        **FUZZ,
    )
    @given(st.data())
    def attack(data):
        folder = tmp_path / "project"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)
        os.chdir(folder)
        place = folder / data.draw(st.sampled_from(places))
        text = place.read_text()
        if file.endswith(".jsonl"):
            place.write_text(
                lines(altered(data.draw, [json.loads(line) for line in text.split("\n") if line]))
            )
        elif file == "config.yaml":
            place.write_text(
                yaml.safe_dump(altered(data.draw, yaml.safe_load(text)), allow_unicode=True), errors="replace"
            )
        else:
            place.write_text(json.dumps(altered(data.draw, json.loads(text))))
        for argv in VERBS[file]:
            answers(tmp_path, argv, isolated)

    monkeypatch.chdir(tmp_path)
    attack()


@pytest.mark.parametrize("file", [*VERBS, "run.log", "²"])
def test_pipes_and_odd_names_in_received_directories_hold_up_nothing(
    file, template, isolated, tmp_path, monkeypatch
):
    """An archive may hold a pipe, whose reader waits for ever, and a trial whose number is none."""
    folder = tmp_path / "project"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    for place in list(folder.rglob(file)):
        place.unlink()
        os.mkfifo(place)
    if file == "²":
        shutil.copytree(folder / SWEEP / "0", folder / SWEEP / file)
    for argv in VERBS.get(file, [v for verbs in VERBS.values() for v in verbs]):
        answers(tmp_path, argv, isolated)


def test_a_place_that_a_received_run_claims_is_not_filled_up(template, tmp_path, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    for claim in ({"place": 2**60}, {"place": 2**60, "run_dir": str(folder / RUN)}):
        (folder / RUN / "journal.jsonl").write_text(lines([start("a", **claim)]))
        (folder / "outputs" / find.ORDER).unlink(missing_ok=True)
        place = find.next_place(folder / "outputs/runs/mine")
        assert place == (1 if len(claim) == 1 else find.MOST_RUNS + 1)


SPEC = {"sampler": "cmaes", "seed": 5, "n_startup_trials": 2}
SPACE, _ = sweep_grammar.read(["x=interval(-5,5)", "y=tag(log,interval(1e-4,1))", "k=range(1,9)"])


def goes_on(folder, trials):
    """Go on with a study for some trials: a line of arithmetic each."""

    def prepared(number, overrides):
        return Trial(number, overrides, overrides, folder / str(number), {"seed": 1})

    study = Study(SPACE, SPEC, "loss", "minimize", trials, prepared, folder)
    while (point := study.take()) is not None:
        trial = point.prepare()
        trial.status, trial.metrics = "FINISHED", {"loss": float(len(str(trial.overrides)))}
        study.epoch_done(trial, 1, {"loss": 1.0})
        study.ended(trial)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Lines of a study of ten trials."""
    folder = tmp_path_factory.mktemp("study")
    goes_on(folder, 10)
    return study_storage.path(folder).read_text().splitlines()


def test_received_studies_are_read_or_refused(study, isolated, tmp_path):
    @settings(max_examples=30 * MORE, phases=[Phase.explicit, Phase.generate], **FUZZ)
    @given(st.data())
    def attack(data):
        folder = tmp_path / Path(tmp_path).name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if data.draw(st.booleans()):
            content = lines(altered(data.draw, [json.loads(line) for line in study])).encode()
        else:
            whole = "\n".join(study).encode()
            at = data.draw(st.integers(0, len(whole)))
            content = whole[:at] + data.draw(st.binary(max_size=200)) + whole[at:]
        study_storage.path(folder).write_bytes(content)
        with contextlib.suppress(UserError, TrainingError):
            goes_on(folder, 12)
        assert isolated == [] and {p.name for p in folder.iterdir()} <= {study_storage.FILE}

    attack()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model's file."""
    import keras

    path = tmp_path_factory.mktemp("model") / "m.keras"
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(3, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ]
    keras.Sequential(layers).save(path)
    return path


def test_received_models_are_loaded_or_refused(model, isolated, tmp_path, monkeypatch):
    """Only the description is altered: nothing else in the file says what is to be built."""
    import keras

    from trainrun.data.dataset import InputSpec, TargetSpec
    from trainrun.model.file import file

    with zipfile.ZipFile(model) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    inputs, target = (InputSpec("x", "numeric", (4,)),), TargetSpec("multiclass", ("a", "b", "c"), 3)
    monkeypatch.chdir(tmp_path)

    @settings(max_examples=30 * MORE, **FUZZ)
    @given(st.data())
    def attack(data):
        path = tmp_path / "altered.keras"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in entries.items():
                text = json.dumps(altered(data.draw, config)).encode() if name == "config.json" else content
                archive.writestr(name, text)
        try:
            loaded = file(inputs, target, None, path=str(path))
        except UserError as error:
            assert "altered.keras" in str(error)
        else:
            assert isinstance(loaded, keras.Model)
        assert isolated == [] and [p.name for p in tmp_path.iterdir()] == ["altered.keras"]

    attack()


@pytest.mark.parametrize("units", [10**12, 2**40])
def test_a_received_model_cannot_ask_for_more_memory_than_its_weights_have(units, model, tmp_path):
    from trainrun.model.file import file

    path = tmp_path / "large.keras"
    with zipfile.ZipFile(model) as archive, zipfile.ZipFile(path, "w") as large:
        for name in archive.namelist():
            content = archive.read(name)
            large.writestr(
                name,
                content.replace(b'"units": 3', f'"units": {units}'.encode())
                if name == "config.json"
                else content,
            )
    with pytest.raises(UserError, match=f"{units:,} units"):
        file((), None, None, path=str(path))


def test_received_records_of_the_preprocessing_are_read_or_refused():
    record = Preprocessor(
        "csv",
        "classification",
        (InputSpec("numeric", "numeric", (5,)), InputSpec("categorical", "categorical", (1,), (3,))),
        TargetSpec("binary", ("no", "yes")),
        True,
        (
            Column("age", "number", None, 40.0, whole=True),
            Column("share", "number", "1,234.5%"),
            Column("member", "truth", "no/yes"),
            Column("since", "date", "dmy", 0.0, ("year",), typed=True),
            Column("town", "category", fill="Rome", categories=("Paris", "Rome")),
        ),
        {"age": True},
        ("age", "share", "member", "since_year", "age_missing"),
        {"numeric": ((1.0,) * 5, (2.0,) * 5)},
        target_scale=((0.0,), (1.0,)),
    )
    assert Preprocessor.from_json(record.to_json()) == record

    @settings(max_examples=150 * MORE, **FUZZ)
    @given(st.data())
    def attack(data):
        text = json.dumps(altered(data.draw, json.loads(record.to_json())))
        with contextlib.suppress(ValueError):
            received = Preprocessor.from_json(text)
            received.record()
            assert all(isinstance(c.words, str) and c.fill_code >= 0 for c in received.columns)

    attack()
