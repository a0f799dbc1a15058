"""Sweeps that go on: what was there stays, what was cut off continues, what is new begins; the trials are real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest
import yaml
from sweeping import QUIET, begun, only_sweep, summaries, trainrun, wait_for

from trainrun.cli import main
from trainrun.errors import UserError
from trainrun.hydra_bridge import override_grammar, sweep_additions
from trainrun.sweep import sweep_record
from trainrun.tracking import journal, lease, status
from trainrun.util.file_lock import FileLock

RATES = "optimizer.learning_rate=1e-2,1e-3"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Return the folder of a finished sweep of two points."""
    folder = tmp_path_factory.mktemp("swept")
    done = trainrun(folder, "-m", *QUIET, "trainer.epochs=2", RATES)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_new_points_get_new_numbers_in_the_same_directory(swept):
    sweep = only_sweep(swept)
    before, multirun = summaries(sweep), (sweep / "multirun.yaml").read_text()
    stamps = {n: (sweep / str(n) / "summary.json").stat().st_mtime_ns for n in before}
    first = max(before) + 1
    done = trainrun(swept, "resume", "last", "optimizer.learning_rate=0.001,1e-4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert only_sweep(swept) == sweep and (sweep / "multirun.yaml").read_text() == multirun
    after = summaries(sweep)
    assert sorted(after) == [*sorted(before), first]
    assert {n: (sweep / str(n) / "summary.json").stat().st_mtime_ns for n in before} == stamps
    rate = yaml.safe_load((sweep / str(first) / "config.yaml").read_text())["optimizer"]["learning_rate"]
    assert rate == 1e-4
    # The same by a whole command line, its overrides in another order and spelling: one point is new.
    line = ["optimizer.learning_rate=0.0001,1e-5", "trainer.epochs=2", *reversed(QUIET), "sweep.resume=last"]
    done = trainrun(swept, "-m", *line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert only_sweep(swept) == sweep and sorted(summaries(sweep)) == [*sorted(after), first + 1]
    # And again: nothing is new.
    done = trainrun(swept, "-m", *line)
    assert done.returncode == 0 and "is finished" in done.stdout
    assert sorted(summaries(sweep)) == [*sorted(after), first + 1]


@pytest.mark.slow
def test_a_copied_sweep_and_its_trials_become_runs_of_their_own(swept, tmp_path, monkeypatch):
    before = {p: p.read_bytes() for p in swept.rglob("*.jsonl")}
    shutil.copytree(swept, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    assert main(["resume", "last"]) == 0
    sweep_dir = only_sweep(tmp_path / "copy")
    originals = {
        p.parent: next(journal.newest(p, 1)).get("copied_from") for p in sweep_dir.rglob(status.JOURNAL)
    }
    assert (
        originals == {p: str(swept / p.relative_to(tmp_path / "copy")) for p in originals}
        and len(originals) > 2
    )
    assert {p: p.read_bytes() for p in swept.rglob("*.jsonl")} == before


@pytest.mark.slow
def test_invalid_new_points_are_refused_before_any_starts(swept):
    sweep = only_sweep(swept)
    before = (sweep / "sweep.json").read_text()
    done = trainrun(swept, "resume", "last", "optimizer.learning_rat=1,2", "loss=focl")
    assert done.returncode == 2 and "learning_rate" in done.stderr and "focal" in done.stderr
    assert "Traceback" not in done.stderr and (sweep / "sweep.json").read_text() == before


@pytest.mark.slow
def test_a_sweep_that_another_process_runs_is_refused(swept, monkeypatch, capsys):
    monkeypatch.chdir(swept)
    lock = FileLock(only_sweep(swept) / lease.SWEEP)
    assert lock.acquire()
    try:
        assert main(["resume", "last", "n_jobs=1"]) == 2
    finally:
        lock.release()
    assert f"is being run by process {os.getpid()}" in capsys.readouterr().err


FAILS_ONCE = """
import pathlib
import keras, trainrun

@trainrun.register("callback", "once")
def once(how: str = "no"):
    class Once(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            mark = pathlib.Path("failed_once")
            if how == "fail" and epoch == 2 and not mark.exists():
                mark.touch()
                raise ValueError("the first time")
    return Once()
"""


@pytest.mark.slow
def test_failed_trials_are_tried_again_on_request_only(tmp_path):
    (tmp_path / "once.py").write_text(FAILS_ONCE)
    words = ["plugins=[./once.py]", "callback=once", "callback.once.how=no,fail", "trainer.epochs=4"]
    assert trainrun(tmp_path, "-m", *QUIET, *words).returncode == 1
    sweep = only_sweep(tmp_path)
    done = trainrun(tmp_path, "resume", sweep)
    assert "is finished" in done.stdout and "retry=failed" in done.stdout
    assert summaries(sweep)[1]["status"] == "FAILED"
    done = trainrun(tmp_path, "resume", sweep, "retry=failed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {n: s["status"] for n, s in summaries(sweep).items()} == {0: "FINISHED", 1: "FINISHED"}
    assert summaries(sweep)[1]["epochs"] == 4


@pytest.mark.slow
def test_a_killed_sweep_with_seeds_goes_on_with_the_seeds_that_are_left(tmp_path):
    """SIGKILL in the middle of six trials; afterwards each of two settings has its three seeds, once each.

    Until then nobody else goes on with it, and from then on it is known that it was killed, though nothing said so.
    """
    words = [*QUIET, "trainer.epochs=20", RATES, "seeds=3", "hydra.launcher.n_jobs=1", "sweep.reuse=never"]
    process = begun(tmp_path, "-m", *words)
    try:
        wait_for(lambda: [*tmp_path.glob("outputs/sweeps/*/1/summary.json")], process)
        process.send_signal(signal.SIGSTOP)  # it lives, and begins no more trials
        sweep = only_sweep(tmp_path)
        done = trainrun(tmp_path, "resume", sweep)
        assert done.returncode == 2 and f"is being run by process {process.pid}" in done.stderr
    finally:
        process.kill()
        process.wait()
    (row,) = json.loads(trainrun(tmp_path, "runs", "--json").stdout)
    assert row["status"] == "KILLED" and "without writing a final status" in row["reason"]
    assert journal.read(sweep / "journal.jsonl").records[-1]["status"] == "KILLED"
    ended = {n for n, s in summaries(sweep).items() if s["status"] == "FINISHED"}
    assert ended and len(ended) < 6
    done = trainrun(tmp_path, "resume", sweep)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = {t.number: t for t in sweep_record.trials(sweep)}
    assert len(trials) == 6
    seeds = {}
    for trial in trials.values():
        if trial.status == "FINISHED":
            seeds.setdefault(trial.setting, []).append(
                next(o for o in trial.overrides if o.startswith("seed="))
            )
    assert all(len(set(s)) == len(s) for s in seeds.values()) and len(seeds) == 2
    assert max(len(s) for s in seeds.values()) == 3
    assert (sweep / "leaderboard_settings.csv").is_file()


@pytest.mark.slow
def test_an_optuna_sweep_goes_on_with_its_study_and_more_trials(tmp_path):
    words = [*QUIET, "trainer.epochs=1", "hydra/sweeper=optuna", "sweep.trials=2"]
    space = "optimizer.learning_rate=tag(log, interval(1e-4, 1e-1))"
    assert trainrun(tmp_path, "-m", *words, space).returncode == 0
    sweep = only_sweep(tmp_path)
    refused = trainrun(tmp_path, "resume", sweep, "optimizer.learning_rate=interval(1, 2)")
    assert refused.returncode == 2 and "sweep.trials" in refused.stderr
    done = trainrun(tmp_path, "resume", sweep, "sweep.trials=4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(summaries(sweep)) == [0, 1, 2, 3]
    rates = {
        yaml.safe_load((sweep / str(n) / "config.yaml").read_text())["optimizer"]["learning_rate"]
        for n in range(4)
    }
    assert len(rates) == 4


@pytest.mark.slow
def test_optuna_study_with_seeds_gets_one_trial_per_setting(tmp_path):
    words = [*QUIET, "trainer.epochs=1", "hydra/sweeper=optuna", "sweep.trials=2", "seeds=2"]
    space = "optimizer.learning_rate=tag(log, interval(1e-4, 1e-1))"
    done = trainrun(tmp_path, "-m", *words, space)
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = only_sweep(tmp_path)
    assert sorted(summaries(sweep)) == [0, 1, 2, 3]
    assert "2 settings x 2 seeds" in done.stdout
    done = trainrun(tmp_path, "resume", sweep, "sweep.trials=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(summaries(sweep)) == [0, 1, 2, 3, 4, 5]
    assert len({t.setting for t in sweep_record.trials(sweep)}) == 3


def test_a_point_is_the_same_whatever_the_order_and_spelling_of_its_overrides():
    one = ["optimizer=adam", "optimizer.learning_rate=1e-3", "seeds=3", "sweep/pruner=asha"]
    two = ["optimizer.learning_rate=0.001", "optimizer=adam", "sweep.objective=val_auc"]
    assert override_grammar.identity(one) == override_grammar.identity(two)
    assert override_grammar.identity(one) != override_grammar.identity([*two, "seed=1"])
    assert (
        override_grammar.identity(["a=1"])
        == override_grammar.identity(["a=1.0"])
        != override_grammar.identity(["a=true"])
    )
    assert override_grammar.identity(["~callback"]) != override_grammar.identity(["callback=null"])


def test_what_changes_stands_where_it_stood():
    request = sweep_additions.read(["a=3,4", "c=5", "retry=failed", "continue=pruned", "n_jobs=2"])
    assert sweep_additions.command(request, {"overrides": ["a=1,2", "b=1"]}) == ["a=3,4", "b=1", "c=5"]
    assert (request.jobs, request.retry, request.unprune) == (2, True, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["retry=all"], "retry=failed"),
        (["continue=failed"], "continue=pruned"),
        (["n_jobs=0"], "at least 1"),
        (["what"], "retry=failed"),
        (["hydra/launcher=ray"], "resumed sweep keeps"),
        (["hydra.sweep.dir=other"], "resumed sweep keeps"),
    ],
)
def test_options_that_a_resumed_sweep_cannot_take_are_refused(words, message):
    with pytest.raises(UserError, match=message):
        sweep_additions.read(words, settings={"hydra": ["hydra/launcher=local"]})


def test_sweep_resume_option_needs_multirun(inside, capsys):
    assert main(["sweep.resume=last"]) == 2
    assert "-m" in capsys.readouterr().err


GOOD = {
    "format": 1,
    "started": 1.0,
    "cwd": "/",
    "settings": {"varying": ["a"]},
    "points": [[0, ["a=1"]], [1, ["a=2"]]],
}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "does not say its format"),
        (json.dumps({**GOOD, "format": 99}), "newer trainrun"),
        (json.dumps({**GOOD, "format": "1"}), "does not say its format"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "points"}), "it lacks 'points'"),
        (json.dumps({**GOOD, "settings": []}), "cannot be read"),
        (json.dumps({**GOOD, "points": [[0, "a=1"]]}), "number and the overrides"),
        (json.dumps({**GOOD, "points": [[0, []], [0, []]]}), "one number"),
        (json.dumps({**GOOD, "points": [["../x", []]]}), "number and the overrides"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_damaged_record_is_an_error_without_a_traceback(inside, capsys, content, message):
    (inside / "swept").mkdir()
    (inside / "swept" / "sweep.json").write_text(content)
    assert main(["resume", "swept"]) == 2
    assert message in capsys.readouterr().err


def test_the_record_of_an_older_trainrun_is_read(inside):
    (inside / "sweep.json").write_text(json.dumps(GOOD))
    record = sweep_record.read(inside)
    assert record["settings"]["seeds"] is None and record["points"] == [(0, ["a=1"]), (1, ["a=2"])]
    with pytest.raises(UserError, match="older trainrun"):
        sweep_additions.command(sweep_additions.read(["a=3"]), record["settings"])


TELLS = """
import keras, trainrun

WORD = "first"

@trainrun.register("callback", "teller")
def teller(what: int = 0):
    class Teller(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            print("TELLS", WORD)
    return Teller()
"""


@pytest.mark.slow
def test_new_points_work_on_what_the_sweep_began_with(tmp_path):
    """After the sweep an option and the plug-in are edited; a point that is added has the recorded option, and the edited code."""
    option = tmp_path / "conf" / "optimizer" / "mine.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("# mine\ndefaults:\n  - adam\n  - _self_\nlearning_rate: 0.01\n")
    (tmp_path / "plug.py").write_text(TELLS)
    words = ["plugins=[./plug.py]", "callback=teller", "callback.teller.what=1,2", "optimizer=mine"]
    done = trainrun(tmp_path, "-m", *QUIET, *words, "trainer.epochs=1")
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = only_sweep(tmp_path)
    option.write_text(option.read_text().replace("0.01", "0.5"))
    (tmp_path / "plug.py").write_text(TELLS.replace("first", "edited"))
    done = trainrun(tmp_path, "resume", sweep, "callback.teller.what=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load((sweep / "2" / "config.yaml").read_text())["optimizer"]["learning_rate"] == 0.01
    assert "TELLS edited" in (sweep / "2" / "run.log").read_text()
    assert "plug.py" in done.stdout + done.stderr and "mine.yaml" in done.stdout + done.stderr
