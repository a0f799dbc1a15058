"""Exact resume for one's own config: what is equal is said to be, what is not is found, with its place and cause."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import trainrun
from trainrun.checkpoint import file
from trainrun.cli import main
from trainrun.commands import resume, verify_resume
from trainrun.run import callback_builders
from trainrun.util.interrupt import Interrupted
from trainrun.verify import differences, kill_and_resume

BASE = [
    "data=iris", "trainer.limit=90", "trainer.batch_size=16", "trainer.epochs=4", "metric=accuracy", "trainer=custom",
    "artifacts.model=false", "optimizer=sgd", *kill_and_resume.FORCED, kill_and_resume.DETERMINISTIC, "checkpoint.every=0.5epochs",
]  # fmt: skip
# Things whose state no checkpoint has, each with the words by which it is to be named.
PLUGIN = '''
import time

import keras
import numpy as np
import tensorflow as tf
import trainrun
from trainrun.step.default import default


class Memory:
    calls = 0


@trainrun.register("callback", "forgetful")
class Forgetful(keras.callbacks.Callback):
    """Has its say on the learning rate by what an object of its own remembers."""

    def __init__(self):
        super().__init__()
        self.memory = Memory()

    def on_epoch_end(self, epoch, logs=None):
        self.memory.calls += 1
        self.model.optimizer.learning_rate = 0.1 / self.memory.calls


@trainrun.register("step", "noisy")
def noisy(model, x, y, weight, share):
    return default(model, x + tf.random.normal(tf.shape(x), stddev=0.1), y, weight, share)


COUNT = np.zeros(1, "float32")


def count(x):
    COUNT[0] += 1
    return x * (1 + COUNT[0] / 100)


@trainrun.register("step", "counting")
def counting(model, x, y, weight, share):
    counted = tf.numpy_function(count, [x], x.dtype)
    counted.set_shape(x.shape)
    return default(model, counted, y, weight, share)
'''
MODULE = "trainrun_plugin_mine"  # as which the plug-in's file is imported
CAUSES = {
    "callback=forgetful": "callback Forgetful: its attribute memory is a Memory",
    "trainer.step=noisy": "the random operation RandomStandardNormal",
    "trainer.step=counting": "numpy_function or py_function",
}


@pytest.fixture
def plugin(inside):
    (inside / "mine.py").write_text(PLUGIN)
    return "plugins=[./mine.py]"


def stop_and_go_on(overrides, at, monkeypatch):
    """Run it, stop it, and go on in this process, with everything that a new process would begin anew begun anew."""
    plain = callback_builders.user_callbacks

    class Stop(keras.callbacks.Callback):
        transient = coarse = True

        def on_epoch_end(self, epoch, logs=None):
            if epoch + 1 == at:
                os.kill(os.getpid(), signal.SIGTERM)

    sys.modules.pop(MODULE, None)
    monkeypatch.setattr(callback_builders, "user_callbacks", lambda *a: [*plain(*a), Stop()])
    with pytest.raises(Interrupted):
        trainrun.run(overrides, run_dir="killed")
    monkeypatch.setattr(callback_builders, "user_callbacks", plain)
    sys.modules.pop(MODULE, None)
    assert resume.main(["killed"]) == 0


@pytest.mark.parametrize("component", CAUSES)
def test_lost_state_is_reported_with_its_place_and_cause(component, plugin, monkeypatch, capsys):
    overrides = [*BASE, plugin, component]
    whole = trainrun.run(overrides, run_dir="whole").run_dir
    stop_and_go_on(overrides, 2, monkeypatch)
    capsys.readouterr()
    assert verify_resume.report(whole, 4, [(Path("killed").absolute(), [])]) is False
    output = capsys.readouterr().out
    assert CAUSES[component] in output
    # A step acts at once; the callback at the end of epoch 3, so that only epoch 4 is another.
    epoch, at = (4, "18 (the end of epoch 3); equal at step 15") if "callback" in component else (
        3, "15 (epoch 3, step 3); equal at step 12",
    )  # fmt: skip
    assert f"loss of epoch {epoch}: " in output and f"loss of epoch {epoch - 1}: " not in output
    assert f"first seen at step {at}" in output
    assert ("learning_rate" if "callback" in component else "weights: hidden_1/kernel") in output


DROPPING = [*BASE, "model.dropout=0.3"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with dropout, to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        return trainrun.run(DROPPING, run_dir="whole").run_dir


def test_resumed_run_with_all_state_is_equal(whole, inside, monkeypatch, capsys):
    stop_and_go_on(DROPPING, 2, monkeypatch)
    killed = Path("killed").absolute()
    assert differences.compare(whole, killed) == [] and differences.first_difference(whole, killed) is None
    assert verify_resume.report(whole, 4, [(killed, [])]) is True
    assert "equal to the bit after 0 kills" in capsys.readouterr().out
    # One bit of one weight in the second half.
    at = next(p for p in file.files(killed) if (s := file.read(p)).epoch == 2 and s.step == 3)
    content = file.read(at)
    arrays = {k: np.array(v) for k, v in content.arrays.items()}
    key = next(k for k, name in content.about["names"].items() if name == "hidden_2/kernel")
    arrays[key].view("uint32").flat[5] ^= 1
    file.write(at, arrays, content.about)
    place = differences.first_difference(whole, killed)
    assert (place.epoch, place.step, place.updates, place.equal) == (2, 3, 15, 12)
    assert place.names == ["weights: hidden_2/kernel"] and "1 of 2,048 values, by" in place.sizes[0]


def test_metric_that_differs_in_its_last_bit_is_reported(whole, inside):
    shutil.copytree(whole, "other")
    path = inside / "other" / "journal.jsonl"
    text = path.read_text()
    value = differences.history.replay(differences.journal.read(path).records)["history"]["val_loss"][1]
    path.write_text(text.replace(repr(value), repr(float(np.nextafter(value, 9))), 1))
    (difference,) = differences.compare(whole, inside / "other")
    assert difference.what == "val_loss of epoch 2"


@pytest.mark.parametrize(
    ("epochs", "every"),
    [(1, "0.1epochs"), (5, "0.25epochs"), (10, "0.5epochs"), (24, "0.5epochs"), (30, "1.5epochs"), (300, "12.5epochs")],
)  # fmt: skip
def test_both_runs_store_their_state_at_some_two_dozen_places_most_of_them_within_epochs(epochs, every):
    from trainrun.util.interval import Interval

    assert kill_and_resume.interval(epochs) == every
    due = [(e, s) for e in range(epochs) for s in range(20) if Interval.parse(every).is_due(e, s, 20)]
    assert 9 <= len(due) <= 50 and sum(s > 0 for _, s in due) >= len(due) // 3


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["loss=focl"], "Did you mean focal?"),
        (["-m", "seed=1,2"], "leave -m out"),
        (["--kills", "0"], "--kills: expected a whole number"),
        (["--kills", "many"], "--kills"),
        (["--keep", "."], "is not empty"),
        (["--kils=3"], "--kils"),
        (["tune.batch_size=auto"], "tune.batch_size: depends on measured time"),
        (["trainer.max_time=10m"], "trainer.max_time: depends on measured time"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(argv, word, inside, capsys):
    (inside / "mine.txt").write_text("mine")
    assert main(["verify-resume", *argv]) == 2
    assert word in capsys.readouterr().err
    assert [p.name for p in inside.iterdir()] == ["mine.txt"]


def test_run_that_fails_is_reported_with_its_own_message(inside, capsys):
    (inside / "t.csv").write_text("a,y\n" + "\n".join(f"{i},{i % 2}" for i in range(50)) + "\noops,1\n")
    assert main(["verify-resume", "data=csv", "data.path=t.csv", "data.target=y", "--kills", "1"]) in (1, 2)
    err = capsys.readouterr().err
    assert "oops" in err and "Traceback" not in err
