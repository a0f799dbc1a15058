"""How often checkpoints are written, and what is in them at the end."""

from __future__ import annotations

import signal
from concurrent.futures import Future

import keras
import numpy as np
import pytest

from trainrun.checkpoint import file, training_state, writer
from trainrun.errors import TrainingError
from trainrun.util.interrupt import Interrupted, StopRequest
from trainrun.util.interval import Interval

STEPS = 10


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


class Clock:
    """A clock that a test sets forward."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class InPlace:
    """An executor without a thread: what is submitted is done at once."""

    def __init__(self, *_, **__):
        pass

    def submit(self, work):
        future = Future()
        try:
            future.set_result(work())
        except OSError as error:
            future.set_exception(error)
        return future

    def shutdown(self):
        pass


@pytest.fixture(autouse=True)
def written(monkeypatch):
    """Write without a thread, so that the clock stands meanwhile; return what is written to `last.npz`, in order."""
    write, noted = file.write, []

    def note(path, arrays, about, **more):
        write(path, arrays, about, **more)
        if path.name == file.LAST:
            noted.append((about["epoch"], about["step"]))

    monkeypatch.setattr(writer, "ThreadPoolExecutor", InPlace)
    monkeypatch.setattr(file, "write", note)
    return noted


class Drive:
    """Drives the callback as a trainer does."""

    def __init__(self, model, folder, epochs=6, seconds=0.0, **settings):
        self.model, self.clock, self.seconds = model, Clock(), seconds
        self.callback = writer.Checkpoint(
            folder, clock=self.clock, plan={"epochs": epochs, "batch_size": 1, "steps_per_epoch": STEPS}, **settings
        )  # fmt: skip
        self.callback.set_model(model)
        self.callback.set_params({"epochs": epochs, "steps": STEPS})
        self.epochs, self.folder = epochs, folder
        model.stop_training = False

    def run(self, losses=None, stop_at=None):
        self.callback.on_train_begin()
        for epoch in range(self.epochs):
            self.callback.on_epoch_begin(epoch)
            for step in range(STEPS):
                self.clock.now += self.seconds / STEPS
                self.model.optimizer.iterations.assign_add(1)
                self.callback.on_train_batch_end(step, {})
            self.model.layers[0].bias.assign([float(epoch)])
            self.model.stop_training = epoch == stop_at
            self.callback.on_epoch_end(epoch, {"loss": 9.0, "val_loss": losses[epoch] if losses else 1.0})
            if self.model.stop_training:
                break
        # As early stopping does that restores the best weights: what was written is not touched by it.
        self.model.layers[0].bias.assign([-1.0])
        self.callback.on_train_end()


def restored(model, folder, name):
    checkpoint = file.read(folder / "checkpoints" / name)
    training_state.apply(checkpoint, model, [])
    return checkpoint.epoch, float(np.array(model.layers[0].bias)[0])


def test_short_epochs_leave_the_last_and_the_best_nevertheless(model, tmp_path, written):
    Drive(model, tmp_path).run([5.0, 4.0, 1.0, 2.0, 3.0, 2.0])
    assert written == [(1, 0), (6, 0)]
    assert restored(model, tmp_path, "last.npz") == (6, 5.0)
    assert restored(model, tmp_path, "best.npz") == (3, 2.0)


def test_epochs_of_ten_seconds_are_each_written(model, tmp_path, written):
    Drive(model, tmp_path, seconds=11.0).run()
    assert written == [(e, 0) for e in range(1, 7)]


@pytest.mark.parametrize(("runs", "expected"), [(1, [1, 5, 9, 12]), (2, [1, 8, 12]), (100, [1, 11, 12])])
def test_runs_that_are_trained_together_share_the_time_for_writing(
    runs, expected, model, tmp_path, written, monkeypatch
):
    """Two files take 0.038 s, a hundredth of 3.8 s of one run, or of 7.6 s of two; never more than 10 s pass."""
    share = writer.SHARE / runs
    drive = Drive(model, tmp_path, epochs=12, seconds=1.1, share=lambda: share)
    write = file.write

    def slow(*arguments, **more):
        drive.clock.now += 0.019
        write(*arguments, **more)

    monkeypatch.setattr(file, "write", slow)
    drive.run([*range(12, 0, -1)])
    assert [epoch for epoch, _ in written] == expected


def test_within_an_epoch_one_is_written_every_half_minute(model, tmp_path, written):
    Drive(model, tmp_path, epochs=2, seconds=100.0).run()
    assert written == [(0, 3), (0, 6), (0, 9), (1, 0), (1, 3), (1, 6), (1, 9), (2, 0)]


def test_training_that_is_stopped_writes_its_last_epoch(model, tmp_path):
    Drive(model, tmp_path).run([5.0, 4.0, 1.0, 2.0, 0.5, 0.4], stop_at=3)
    assert restored(model, tmp_path, "last.npz") == (4, 3.0)
    assert restored(model, tmp_path, "best.npz") == (3, 2.0)
    assert file.read(tmp_path / "checkpoints" / "last.npz").about["done"]


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("2epochs", [(2, 0), (4, 0), (5, 0)]),  # the last one always
        ("0.5epochs", [(e, s) for e in range(5) for s in (0, 5) if (e, s) != (0, 0)] + [(5, 0)]),
        ("1.5epochs", [(1, 5), (3, 0), (4, 5), (5, 0)]),
        ("4steps", [(0, 4), (0, 8), (1, 2), (1, 6), (2, 0), (2, 4), (2, 8), (3, 2), (3, 6), (4, 0), (4, 4), (4, 8), (5, 0)]),
        ("40steps", [(4, 0), (5, 0)]),
        ("7s", [(0, 7), (1, 4), (2, 1), (2, 8), (3, 5), (4, 2), (4, 9), (5, 0)]),
    ],
)  # fmt: skip
def test_the_interval_is_kept(every, expected, model, tmp_path, written):
    Drive(model, tmp_path, epochs=5, seconds=10.0, every=every).run()
    assert written == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", Interval()), (None, Interval()), ("2epochs", Interval(epochs=2)), ("1 epoch", Interval(epochs=1)),
        ("500steps", Interval(steps=500)), ("30s", Interval(seconds=30.0)), ("1h30m", Interval(seconds=5400.0)),
    ],
)  # fmt: skip
def test_intervals_are_read_as_people_write_them(text, expected):
    assert Interval.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "0epochs", "-1steps", "1.5steps", "0.0001epochs", "0s", "often", "inf s"]
)
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(ValueError, match="expected auto, 2epochs"):
        Interval.parse(text)


def test_a_resumed_run_counts_the_steps_of_the_interval_from_its_checkpoint(model, tmp_path, written):
    model.optimizer.iterations.assign(6)
    drive = Drive(model, tmp_path, epochs=1, every="4steps")
    drive.callback.set_state({"lowest": 1.0})
    drive.run()
    assert written == [(0, 4), (0, 8), (1, 0)]


@pytest.mark.parametrize(("step", "expected"), [(4, (2, 5)), (None, (3, 0))])
def test_a_signal_has_the_state_written_at_once_and_ends_the_training(step, expected, model, tmp_path, written, monkeypatch):  # fmt: skip
    stop = StopRequest()
    drive = Drive(model, tmp_path, stop=stop)
    end = drive.callback.on_train_batch_end if step is not None else drive.callback.on_epoch_end

    def signalled(at, logs):
        updates = 2 * STEPS + step + 1 if step is not None else 3 * STEPS
        if int(model.optimizer.iterations) == updates:
            stop.ask(Interrupted(signal.SIGTERM))
        end(at, logs)

    name = "on_train_batch_end" if step is not None else "on_epoch_end"
    monkeypatch.setattr(drive.callback, name, signalled)
    with pytest.raises(Interrupted):
        drive.run()
    last = file.read(tmp_path / "checkpoints" / "last.npz")
    assert (last.epoch, last.step) == written[-1] == expected


def test_full_disk_is_an_error_and_earlier_checkpoints_stay(model, tmp_path, monkeypatch):
    drive = Drive(model, tmp_path, seconds=20.0)
    real, calls = file.write, []

    def full(*arguments, **more):
        calls.append(1)
        if len(calls) > 4:
            raise OSError(28, "No space left on device")
        real(*arguments, **more)

    monkeypatch.setattr(file, "write", full)
    with pytest.raises(TrainingError, match=r"No space left on device.*trainrun resume"):
        drive.run([5.0, 4.0, 3.0, 2.0, 1.0, 0.5])
    drive.callback.close()
    assert restored(model, tmp_path, "last.npz")[0] >= 2


def test_a_worker_that_is_not_the_chief_writes_nothing(model, tmp_path, written):
    Drive(model, tmp_path, seconds=60.0, writes=False).run()
    assert written == []
    assert not (tmp_path / "checkpoints").exists()
