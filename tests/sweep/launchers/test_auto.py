"""`hydra/launcher=auto`: whom it gives a sweep to, and that what goes on with the sweep takes the same."""

from __future__ import annotations

import json

import pytest
from sweeping import QUIET, only_sweep, rows_of, summaries, trainrun

import trainrun as library
from trainrun.cli import main
from trainrun.sweep import loop
from trainrun.sweep.launchers.resources import Resources
from trainrun.vectorized import heuristics

LONG = [
    "tracking=none",
    "model=mlp",
    "data=digits",
    "trainer.epochs=100",
]  # it pays for these, by any measure
HERE = Resources(2, 2)
WISHES = {
    "objective": None, "reuse": "auto", "pruner": None, "trial_timeout": None, "plugins": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], None),
        (["model=linear"], None),
        (["trainer.epochs=5"], "5 epochs of 34 steps are too few"),
        (["data=iris"], None),
        (["data=iris", "trainer.epochs=30"], "30 epochs of 3 steps are too few"),  # 90 examples
        (["trainer.epochs=10", "data=synthetic", "data.examples=20000"], None),
        (["model=cnn"], "model=cnn"),
        (["model.units=[2000]"], "large"),
        (["trainer.batch_size=1000", "trainer.steps_per_epoch=1"], "large"),
        (["hardware.deterministic=true"], "deterministic"),
        (["trainer.max_time=1h"], "the time of each trial is measured"),
        (["callback=time_limit"], "the time of each trial is measured"),
        (["trainer.run_eagerly=true"], "run_eagerly"),
    ],
)
def test_auto_chooses_vectorized_by_the_config(words, why):
    reason = heuristics.against(library.compose([*LONG, *words]), 20, WISHES, HERE)
    assert reason is None if why is None else why in reason


@pytest.mark.parametrize(
    ("trials", "machine", "more", "why"),
    [
        (2, HERE, {}, "2 trials are too few"),
        (20, Resources(64, 64), {}, "2 cores"),
        (20, Resources(1, 2, ["0"]), {}, "without a GPU"),
        (20, HERE, {"pruner": "asha"}, "pruner"),
        (20, HERE, {"trial_timeout": 9.0}, "the time of each trial is measured"),
        (20, HERE, {"objective": ["val_loss", "seconds.train"]}, "the time of each trial is measured"),
        (20, HERE, {"reuse": "never"}, "sweep.reuse=never"),
        (20, HERE, {"objective": "val_accuracy"}, None),
    ],
)
def test_auto_chooses_vectorized_by_the_sweep_and_the_machine(trials, machine, more, why):
    reason = heuristics.against(library.compose(LONG), trials, {**WISHES, **more}, machine)
    assert reason is None if why is None else why in reason


@pytest.mark.parametrize(
    ("words", "steps"), [([], 4), (["trainer.limit=50"], 3), (["trainer.steps_per_epoch=2"], 2)]
)
def test_steps_of_an_epoch(words, steps):
    """100 examples, of which 32 are held out: 68, by 20."""
    data = [
        "data=synthetic",
        "data.examples=100",
        "data.validation=0.16",
        "data.test=0.16",
        "trainer.batch_size=20",
    ]
    assert heuristics.steps(library.compose([*data, *words])) == steps


@pytest.fixture
def launcher(inside, monkeypatch, capsys):
    """Return who would run a sweep, and what is said of it; nothing is trained, and the machine is as it was measured."""
    monkeypatch.setattr(Resources, "divide", lambda jobs, trials, per_gpu=1: Resources(2, 2))
    begun = []

    def begin(sweep_dir, points, settings, engine, done=(), **last):
        begun.append((settings["launcher"]["name"], engine.how))
        engine.close()
        return loop.SweepResult(sweep_dir)

    monkeypatch.setattr(loop, "run", begin)

    def run(*words):
        assert main(["-m", *LONG, *words]) == 0, capsys.readouterr().err
        name, how = begun.pop()
        (sweep,) = {*(inside / "outputs" / "sweeps").iterdir()} - known
        known.add(sweep)
        assert json.loads((sweep / "sweep.json").read_text())["settings"]["launcher"]["name"] == name
        assert not [p for p in sweep.iterdir() if p.name.isdigit()], "to look at a point is not to begin it"
        return name, how.partition(": ")[2]

    known = set()
    return run


def test_the_seeds_of_one_setting_are_trained_in_one_graph(launcher):
    assert launcher("seeds=20") == (
        "vectorized",
        "they differ in their seeds only, and have 100 epochs of 34 steps each",
    )
    assert launcher("seed=range(20)")[0] == "vectorized"
    assert launcher("seed=range(20)", "optimizer.learning_rate=0.1")[0] == "vectorized"


def test_launcher_set_by_the_user_is_kept(launcher, inside):
    for words in (["hydra/launcher=local"], ["hydra.launcher.n_jobs=2"], ["hydra.launcher.per_gpu=2"]):
        assert launcher("seeds=20", *words) == ("local", "")
    assert launcher("seeds=2", "trainer.epochs=1", "hydra/launcher=vectorized") == ("vectorized", "")
    presets = inside / "conf" / "experiment"
    presets.mkdir(parents=True)
    content = "# @package _global_\ndefaults:\n  - override /hydra/launcher: {}\n"
    for name in ("local", "vectorized"):
        (presets / f"{name}.yaml").write_text(content.format(name))
        assert launcher("seeds=20", f"experiment={name}") == (name, "")


def test_trials_that_differ_in_more_than_seeds_run_locally_without_a_message(launcher):
    for words in (
        ["optimizer=adam,sgd"],
        ["seed=range(7)", "optimizer.learning_rate=1,0.1", "model.dropout=0.1,0.2"],
        ["seed=range(12)", "model.activation=relu,tanh"],
        ["model.activation=relu,tanh", "seed=range(12)"],
        ["seed=range(12)", "model.units=[8],[16]"],
        ["seed=range(12)", "model.units=8,16"],
        ["seed=range(12)", "trainer.batch_size=16,32"],
        ["hydra/sweeper=optuna", "sweep.trials=20", "optimizer.learning_rate=interval(0.001,0.1)"],
    ):
        assert launcher(*words) == ("local", ""), words


def test_reason_for_the_local_launcher_is_printed(launcher):
    assert launcher("seeds=20", "optimizer.learning_rate=0.1,0.01") == ("local", "")
    assert launcher("seeds=2") == ("local", "2 trials are too few for one graph")
    assert launcher("seed=range(12)", "trainer.epochs=1") == (
        "local",
        "1 epoch of 34 steps are too few for one graph",
    )
    name, why = launcher("seed=range(12)", "sweep/pruner=median")
    assert name == "local" and "pruner" in why


@pytest.mark.slow
def test_a_run_with_seeds_goes_together_and_resume_takes_the_same(tmp_path, monkeypatch):
    for name in ("TRIALS", "STEPS"):
        monkeypatch.setattr(heuristics, name, 1)
    monkeypatch.setattr(heuristics, "CORES", 1_000)
    done = trainrun(tmp_path, "-m", *QUIET, "trainer.epochs=2", "seeds=2", "model.units=[8]")
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = only_sweep(tmp_path)
    reason = summaries(sweep)
    (steps,) = {s["steps"] // 2 for s in reason.values()}
    content = f"in one graph where they are of one shape: they differ in their seeds only, and have 2 epochs of {steps} steps each"
    assert content in done.stdout
    assert "2 trials are trained together in one graph" in done.stdout and "95% interval" in done.stdout
    first = [(sweep / n / "journal.jsonl").read_text().splitlines()[0] for n in ("0", "1")]
    assert len({json.loads(line)["pid"] for line in first}) == 1, "one process"
    monkeypatch.undo()  # it would not pay any more, which nobody asks
    done = trainrun(tmp_path, "resume", "last", "seeds=4")
    assert done.returncode == 0 and "2 trials are trained together in one graph" in done.stdout
    assert {r["status"] for r in rows_of(sweep).values()} == {"FINISHED"} and len(rows_of(sweep)) == 4
