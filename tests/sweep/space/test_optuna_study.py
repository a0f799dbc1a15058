"""Random and Optuna: known optima, known fronts, studies that are killed and go on, trials that fail; with real processes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sqlite3

import optuna
import pytest
from sweeping import begun, lives, only_sweep, rows_of, trainrun, wait_for

from trainrun.cli import main
from trainrun.errors import TrainingError, UserError
from trainrun.hydra_bridge import sweep_grammar
from trainrun.hydra_bridge.batch_sweep import outline
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import pareto
from trainrun.sweep.space import samplers, study_storage
from trainrun.sweep.space.optuna_study import Study
from trainrun.sweep.trial import Trial
from trainrun.util import grants

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false"]
# One weight x, f(x) = x² - 2x + 1 from x = 0 by plain gradient descent: after n steps x - 1 = -(1 - 2r)^n, so that the
# loss is (1 - 2r)^(2n): the rate r = 1/2 meets the minimum in one step, and beyond 1 it diverges. An epoch's loss is that
# before its step: n is one less than the steps.
PARABOLA = [
    "data=none",
    "trainer.batch_size=1",
    "model=quadratic",
    "loss=model_output",
    "optimizer=sgd",
    *QUIET,
]
SPACE = ["x=interval(-5,5)", "y=tag(log,interval(1e-4,1))", "k=range(1,9)", "c=p,q"]


def study_of(sweep_dir):
    return optuna.load_study(storage=study_storage.open_storage(None, sweep_dir), study_name=sweep_dir.name)


def bowl(trial, space):
    chosen = space.chosen(trial.overrides)
    x, y, k = float(chosen["x"]), float(chosen["y"]), int(chosen["k"])
    return (x - 1) ** 2 + (math.log10(y) + 2) ** 2 + (k - 3) ** 2 * 0.1 + (chosen["c"] == "q")


class Driver:
    """Drives a study in this process: each trial is a line of arithmetic."""

    def __init__(self, folder, sampler, trials=40, overrides=SPACE, objective="loss", done=(), waiting=()):
        self.space, problems = sweep_grammar.read(overrides)
        assert not problems
        self.file = folder / "there.json"
        points = json.loads(self.file.read_text()) if self.file.exists() else []
        self.points = [(n, o) for n, o in points]
        spec = {"sampler": sampler, "seed": 5}
        self.study = Study(
            self.space, spec, objective, "minimize", trials, outline, folder, self.points, done, waiting
        )

    def begin(self):
        point = self.study.take()
        self.points.append((point.number, list(point.overrides)))
        self.file.write_text(json.dumps(self.points))
        return point.prepare()

    def end(self, trial, status="FINISHED", **metrics):
        trial.status = status
        trial.metrics = metrics or ({"loss": bowl(trial, self.space)} if status == "FINISHED" else {})
        self.study.ended(trial)

    def run(self, count):
        trials = []
        for _ in range(count):
            trials.append(self.begin())
            self.end(trials[-1])
        return trials


@pytest.mark.parametrize("sampler", [s for s in samplers.SAMPLERS if s != "gp"])
def test_a_study_that_was_stopped_suggests_what_it_would_have(sampler, tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = Driver(tmp_path / "whole", sampler, 20).run(20)
    parts = Driver(tmp_path / "parts", sampler, 20).run(13)
    rest = Driver(tmp_path / "parts", sampler, 20)
    assert rest.study.total == 7
    parts += rest.run(7)
    assert not rest.study.left and rest.study.take() is None
    assert [t.overrides for t in parts] == [t.overrides for t in whole]
    assert [t.number for t in parts] == [*range(20)]


@pytest.mark.parametrize(("sampler", "within"), [("tpe", 0.5), ("cmaes", 0.5)])
def test_study_approaches_the_known_optimum(sampler, within, tmp_path):
    driver = Driver(tmp_path, sampler, 60)
    best = min(driver.run(60), key=lambda t: t.metrics["loss"])
    assert best.metrics["loss"] < within
    chosen = driver.space.chosen(best.overrides)
    assert abs(float(chosen["x"]) - 1) < 0.7 and chosen["c"] == "p"


def test_study_records_the_final_state_of_each_trial(tmp_path):
    driver = Driver(tmp_path, "tpe", overrides=["x=interval(0,1)"])
    trials = [driver.begin() for _ in range(6)]
    for trial in trials:
        for epoch in (1, 2, 2):  # a trial that goes on from a checkpoint may report an epoch again
            driver.study.epoch_done(trial, epoch, {"loss": 3.0 - epoch, "val_loss": 9.0})
    driver.end(trials[0], loss=0.25)
    driver.end(trials[1], "FAILED")
    driver.end(trials[2], "KILLED", loss=0.1)
    driver.end(trials[3], "PRUNED", loss=0.1)
    driver.end(trials[4], loss=math.nan)
    trials[5].config, trials[5].place = {"seed": 7}, tmp_path / "5"
    driver.end(trials[5], loss=0.5)
    recorded = study_of(tmp_path).trials
    state = optuna.trial.TrialState
    assert [t.state for t in recorded] == [
        state.COMPLETE,
        state.FAIL,
        state.FAIL,
        state.PRUNED,
        state.FAIL,
        state.COMPLETE,
    ]
    assert recorded[0].value == 0.25 and recorded[3].value == 1.0  # the last one that it reported
    assert all(t.intermediate_values == {1: 2.0, 2: 1.0} for t in recorded)
    assert study_of(tmp_path).best_trial.number == 0
    assert recorded[5].user_attrs["seed"] == 7 and recorded[5].user_attrs["run_dir"] == str(tmp_path / "5")
    assert [t.user_attrs["trainrun"]["number"] for t in recorded] == [*range(6)]
    assert recorded[0].user_attrs["trainrun"]["overrides"] == trials[0].overrides


def test_a_file_that_a_killed_process_left_is_taken_up(tmp_path):
    """Half a line, a lock, a trial that runs, one that was suggested only, one that has ended unheard."""
    driver = Driver(tmp_path, "tpe", 10)
    driver.run(3)
    running, unheard = driver.begin(), driver.begin()
    lost = driver.study.take()  # and nobody has written it down
    file = tmp_path / study_storage.FILE
    with open(file, "ab") as opened:
        opened.write(b'{"op_code":4,"worker_id":"x')
    os.symlink(file, f"{file}.lock")
    unheard.status, unheard.metrics = "FINISHED", {"loss": 0.125}
    from trainrun.sweep.space.trial_source import Point

    again = Point(running.number, lambda: running)
    done = [outline(n, o) for n, o in driver.points[:3]] + [unheard]
    rest = Driver(tmp_path, "tpe", 10, done=done, waiting=[again])
    assert rest.study.total == 1 + 1 + 4
    assert rest.study.take() is again
    second = rest.study.take()
    assert second.number == 5 and second.overrides == lost.overrides
    rest.end(running)
    rest.end(second.prepare(), loss=0.75)
    rest.run(4)
    assert not rest.study.left
    recorded = study_of(tmp_path)
    assert len(recorded.trials) == 10 and all(t.state.is_finished() for t in recorded.trials)
    assert recorded.trials[4].value == 0.125 and recorded.trials[5].value == 0.75


def test_a_trial_that_counted_as_failed_and_was_tried_again_counts_anew(tmp_path):
    driver = Driver(tmp_path, "tpe", 3)
    first = driver.begin()
    driver.end(first, "KILLED")
    from trainrun.sweep.space.trial_source import Point

    rest = Driver(tmp_path, "tpe", 3, waiting=[Point(0, lambda: first)])
    assert rest.study.total == 3
    rest.end(rest.study.take().prepare())
    rest.run(2)
    recorded = study_of(tmp_path).trials
    assert [t.state.name for t in recorded] == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert recorded[1].params.keys() == recorded[2].params.keys() == {"x", "y", "k", "c"}
    assert Driver(tmp_path, "tpe", 3).study.left is False


def test_without_its_file_a_study_is_made_of_the_trials(tmp_path):
    driver = Driver(tmp_path, "tpe", 8)
    done = driver.run(5)
    (tmp_path / study_storage.FILE).unlink()
    rest = Driver(tmp_path, "tpe", 8, done=done)
    assert rest.study.total == 3
    assert [t.number for t in rest.run(3)] == [5, 6, 7]
    assert [t.value for t in study_of(tmp_path).trials[:5]] == [t.metrics["loss"] for t in done]


def test_keys_under_a_condition_and_keys_that_vary_together(tmp_path):
    entries = {
        "optimizer": "adam,sgd",
        "optimizer.momentum": {"space": "interval(0, 0.99)", "when": "optimizer=sgd"},
        "+a": "1,2",
        "b": "3,4",
    }
    space, problems = sweep_grammar.read([], entries, ["a", "b"])
    assert not problems
    study = Study(space, {"sampler": "tpe", "seed": 1}, "loss", "minimize", 20, outline, tmp_path)
    while study.left:
        trial = study.take().prepare()
        chosen = space.chosen(trial.overrides)
        assert ("optimizer.momentum" in chosen) == (chosen["optimizer"] == "sgd")
        assert (chosen["a"], chosen["b"]) in (
            ("1", "3"),
            ("2", "4"),
        ) and f"+a={chosen['a']}" in trial.overrides
        trial.status, trial.metrics = "FINISHED", {"loss": 1.0}
        study.ended(trial)
    assert {t.params["optimizer"] for t in study_of(tmp_path).trials} == {"adam", "sgd"}


def test_pareto_front_holds_the_non_dominated_trials():
    import numpy as np

    values = np.random.default_rng(3).integers(0, 12, (60, 2)).astype(float)
    objectives = (Objective("a", False), Objective("b", True))
    trials = [
        Trial(i, [], [], None, {}, "FINISHED", metrics={"a": a}, figures={"b": b})
        for i, (a, b) in enumerate(values)
    ]
    trials += [
        Trial(60, [], [], None, {}, "FINISHED", metrics={"a": -9.0}),
        Trial(61, [], [], None, {}, "FINISHED", metrics={"a": -9.0, "b": math.nan}),
        Trial(62, [], [], None, {}, "PRUNED", metrics={"a": -9.0, "b": 99.0}),
    ]
    better = (values[:, None] * [1, -1] <= values * [1, -1]).all(2) & (values[:, None] != values).any(2)
    assert {t.number for t in pareto.front(trials, objectives)} == {*np.flatnonzero(~better.any(0))}
    ranked = Objective.of(["a", "b"], ["minimize", "maximize"], []).ranked(trials)
    assert len(ranked) == 60
    front = pareto.front(trials, objectives)
    assert {t.number for t in ranked[: len(front)]} == {t.number for t in front}


@pytest.mark.parametrize("launcher", ["local", pytest.param("basic", marks=pytest.mark.slow)])
def test_two_objectives_come_to_the_known_front(launcher, inside, capsys):
    """Of two rates the better one is better after each number of steps, and more steps are better: the front is its trials."""
    argv = [
        "sweep.objective=[loss,steps]",
        "sweep.direction=minimize",
        "hydra/sweeper=grid",
        "trainer.epochs=2,3",
        "optimizer.learning_rate=0.1,0.4",
    ]
    assert main(["-m", *PARABOLA, *argv, f"hydra/launcher={launcher}"]) == 0
    capsys.readouterr()
    rows = rows_of(only_sweep(inside))
    steps = {n: int(float(row["steps"])) for n, row in rows.items()}
    for n, row in rows.items():
        rate = 0.4 if "optimizer.learning_rate=0.4" in row["overrides"] else 0.1
        assert float(row["loss"]) == pytest.approx((1 - 2 * rate) ** (2 * steps[n] - 2), rel=1e-3, abs=1e-6)
        assert row["front"] == ("yes" if rate == 0.4 else "")
    assert main(["best", "last"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all("optimizer.learning_rate=0.4" in line for line in lines)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Return the directory of a study of 24 trials with a pruner, one after another: what it comes to is the same each time."""
    folder = tmp_path_factory.mktemp("searched")
    argv = ["hydra/sweeper=optuna", "sweep.trials=24", "optimizer.learning_rate=tag(log, interval(1e-3, 2))"]
    argv += ["sweep/pruner=median", "trainer.epochs=6", "sweep.objective=loss", "hydra.launcher.n_jobs=1"]
    done = trainrun(folder, "-m", *PARABOLA, *argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return only_sweep(folder)


@pytest.mark.slow
def test_a_study_of_two_dozen_trials_with_a_pruner_finds_the_known_optimum(searched):
    study = study_of(searched)
    states = [t.state.name for t in study.trials]
    assert len(states) == 24 and states.count("PRUNED") >= 5 and set(states) <= {"PRUNED", "COMPLETE"}
    assert study.best_params["optimizer.learning_rate"] == pytest.approx(0.5, abs=0.1)
    epochs = sum(len(t.intermediate_values) for t in study.trials)
    assert epochs < 24 * 6  # what was given up was not trained


@pytest.mark.slow
def test_the_study_holds_what_the_trials_hold(searched):
    sweep = searched
    rows = rows_of(sweep)
    for trial in study_of(sweep).trials:
        number = trial.user_attrs["trainrun"]["number"]
        content = json.loads((sweep / str(number) / "summary.json").read_text())
        assert (
            content["status"]
            == rows[number]["status"]
            == {"COMPLETE": "FINISHED"}.get(trial.state.name, trial.state.name)
        )
        assert f"optimizer.learning_rate={trial.params['optimizer.learning_rate']!r}" in content["overrides"]
        assert trial.user_attrs["run_dir"] == str(sweep / str(number)) and trial.user_attrs["seed"] == 42
        if trial.state.name == "COMPLETE":
            assert trial.value == content["metrics"]["loss"] and len(trial.intermediate_values) == 6
        else:
            assert trial.value == [*trial.intermediate_values.values()][-1]


@pytest.mark.slow
def test_killed_study_resumes(tmp_path):
    argv = ["hydra/sweeper=optuna", "sweep.trials=5", "optimizer.learning_rate=tag(log, interval(1e-3, 0.4))"]
    argv += ["trainer.epochs=40", "hydra.launcher.n_jobs=1", "sweep.reuse=never"]
    process = begun(tmp_path, "-m", *PARABOLA, *argv)
    try:
        journal = "outputs/sweeps/*/2/journal.jsonl"
        wait_for(lambda: any("\n" in p.read_text() for p in tmp_path.glob(journal)), process)
    finally:
        process.kill()
        process.wait()
    sweep = only_sweep(tmp_path)
    pid = json.loads((sweep / "2" / "journal.jsonl").read_text().splitlines()[0])["pid"]
    wait_for(lambda: not lives(pid))
    before = {n: (sweep / n / "summary.json").read_text() for n in ("0", "1")}
    done = trainrun(tmp_path, "resume", sweep)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {n: (sweep / n / "summary.json").read_text() for n in before} == before
    assert sorted(int(p.name) for p in sweep.iterdir() if p.name.isdigit()) == [*range(5)]
    rows = rows_of(sweep)
    assert [rows[n]["status"] for n in range(5)] == ["FINISHED"] * 5
    trials = study_of(sweep).trials
    numbers = [t.user_attrs["trainrun"]["number"] for t in trials if t.state.name == "COMPLETE"]
    assert sorted(numbers) == [*range(5)]
    for trial in trials:
        number = trial.user_attrs["trainrun"]["number"]
        if trial.state.name == "COMPLETE":
            assert trial.value == pytest.approx(float(rows[number]["loss"]))


@pytest.mark.slow
def test_invalid_point_is_one_failed_trial(inside, capsys):
    """The preflight looks at each choice, not at every pair of them: what it has not seen fails alone."""
    space = "{optimizer: 'adam,sgd', model: 'mlp,linear', model.units: {space: '4,8', when: 'optimizer=sgd'}}"
    overrides = [
        "data=iris",
        *QUIET,
        "trainer.epochs=1",
        f"sweep.space={space}",
        "seed=" + ",".join(map(str, range(30))),
    ]
    code = main(["-m", *overrides, "hydra/sweeper=random", "sweep.trials=6", "sweep.max_failures=null"])
    output = capsys.readouterr()
    rows = rows_of(only_sweep(inside))
    bad = [
        n for n, r in rows.items() if "model=linear" in r["overrides"] and "model.units=" in r["overrides"]
    ]
    assert code == (1 if bad else 0) and "Traceback" not in output.out + output.err
    assert {n for n, r in rows.items() if r["status"] == "FAILED"} == {*bad} and len(rows) == 6


def test_a_damaged_study_is_one_message_with_the_way_out(tmp_path):
    driver = Driver(tmp_path, "tpe", trials=6)
    for _ in range(3):
        driver.end(driver.begin())
    file = study_storage.path(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    for damage in (b"{not json}\n", b"\xff\n", b'{"op_code": 4}\n', b"[]\n"):
        file.write_bytes(b"".join([*lines[:3], damage, *lines[3:]]))
        with pytest.raises(UserError, match=r"study\.journal is damaged.*trainrun resume"):
            Driver(tmp_path, "tpe", trials=6)


def test_a_locked_database_is_one_message(tmp_path):
    address = f"sqlite:///{tmp_path}/study.db?timeout=0.1"
    spec = {"sampler": "random", "seed": 5, "storage": address}
    space, _ = sweep_grammar.read(SPACE)
    study = Study(space, spec, "loss", "minimize", 5, outline, tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrainingError, match=r"cannot use this database.*locked.*trainrun resume"):
            study.take()
    assert study.take() is not None


def test_a_database_that_only_a_file_names_gets_no_password(tmp_path, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    monkeypatch.setenv(grants.ADDRESSES, "")
    with pytest.raises(UserError, match=r"PGPASSWORD.*--trust postgresql://stranger/db"):
        study_storage.open_storage("postgresql://stranger/db", tmp_path)
