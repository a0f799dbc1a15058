"""A run that was stopped and goes on ends as one that was not: the same weights, the same history, to the bit."""

from __future__ import annotations

import json
import os
import shutil
import signal

import keras
import pytest
import yaml

import trainrun
from trainrun.checkpoint import file
from trainrun.cli import main
from trainrun.commands import resume
from trainrun.run import callback_builders
from trainrun.tracking import history, journal
from trainrun.trainer import compiled_epoch, held_arrays, pipeline
from trainrun.util import liveness
from trainrun.util.interrupt import Interrupted

BASE = [
    "tracking=none", "hardware.deterministic=true", "artifacts.plots=false", "artifacts.report=false",
    "artifacts.model=false", "trainer.batch_size=16", "trainer.epochs=4", "trainer.limit=90", "data=iris", "metric=accuracy",
]  # fmt: skip
IMAGES = ["data=digits", "trainer.limit=64"]
SMALL_CNN = [*IMAGES, "model=cnn", "model.filters=[4]"]
# What has a state of its own, several in one run: whichever is not as it was changes the bits. Each under the trainers
# that have a way of their own with it.
FEATURES = {
    "fit dropout, weights, schedule, ema, validation_freq": [
        "model.dropout=0.5", "metric=[accuracy,auc]", "trainer.class_weight=balanced", "model.regularizer=l2",
        "schedule=cosine_decay", "optimizer=sgd", "optimizer.momentum=0.9", "optimizer.use_ema=true",
        "optimizer.ema_overwrite_frequency=5", "trainer.validation_freq=2",
    ],
    "custom dropout, weights": [
        "model.dropout=0.5", "metric=[accuracy,auc]", "trainer.class_weight=balanced", "model.regularizer=l2",
    ],
    "train_on_batch dropout": ["model.dropout=0.5", "metric=[accuracy,auc]"],
    **{
        f"{trainer} batch_norm, mixed_float16, adam_then_sgd": [
            *SMALL_CNN, "model.dropout=0.2", "hardware.precision=mixed_float16", "optimizer=adam_then_sgd",
            "optimizer.switch_at=1.5epochs",
        ]
        for trainer in ("fit", "custom")
    },
    **{
        f"{trainer} patience": [
            "callback=[early_stopping,reduce_lr_on_plateau]", "callback.early_stopping.patience=2", "trainer.epochs=12",
            "callback.early_stopping.min_delta=0.02", "callback.early_stopping.restore_best_weights=true",
            "callback.reduce_lr_on_plateau.patience=1", "callback.reduce_lr_on_plateau.min_delta=0.02",
            "optimizer.learning_rate=0.05",
        ]
        for trainer in ("fit", "custom")
    },
    **{
        f"{trainer} augmented": [*SMALL_CNN, "augment=[random_flip,random_rotation,mixup]"]
        for trainer in ("fit", "train_on_batch")
    },
    "custom augmented, streamed": [*SMALL_CNN, "augment=[random_flip,cutmix]"],
    # Streamed: larger than what is held, see `few_held`.
    "fit callbacks, streamed": [
        "callback=[csv_logger,model_checkpoint,swap_ema_weights,backup_and_restore,learning_rate_logger]",
        "callback.swap_ema_weights.swap_on_epoch=true", "optimizer.use_ema=true",
        "callback.model_checkpoint.save_best_only=true",
    ],
    "custom switch, streamed": [
        "optimizer=adam_then_sgd", "optimizer.switch_at=null", "callback=switch_on_plateau",
        "callback.switch_on_plateau.patience=1", "callback.switch_on_plateau.min_delta=9",
    ],
    "train_on_batch streamed": [],
}  # fmt: skip


class Stop(keras.callbacks.Callback):
    """Sends the process a signal after a step, or at the end of an epoch, as Slurm or a person would."""

    transient = coarse = True

    def __init__(self, at, stride):
        super().__init__()
        self.at, self.stride, self.epoch = at, stride, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch + 1) == self.at:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1, 0) == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def stopped(monkeypatch):
    """Return a function that runs something until the run is stopped at (epochs done, steps of the next)."""
    plain = callback_builders.user_callbacks

    def until(at, run):
        # Of its own: no step before it is to be left out of a compiled call.
        stop = Stop(at, at[1] or None)
        made = []
        monkeypatch.setattr(
            callback_builders, "user_callbacks", lambda *a: made.extend([*plain(*a), stop]) or made
        )
        try:
            with pytest.raises(Interrupted) as caught:
                run()
        finally:
            monkeypatch.setattr(callback_builders, "user_callbacks", plain)
        for table in (c for c in made if isinstance(c, keras.callbacks.CSVLogger)):
            table.csv_file.close()  # the end of a process does that
        assert caught.value.exit_code == 143

    return until


@pytest.fixture
def few_held(monkeypatch):
    """Have every split be larger than what TensorFlow holds, so that it is read in blocks."""
    for module in (pipeline, compiled_epoch):
        monkeypatch.setattr(module, "MAX_HELD_BYTES", 0)
    monkeypatch.setattr(held_arrays, "BLOCK_BYTES", 700)


def record(run_dir):
    """Return what a run's record says of it, without what is another each time."""
    summary = json.loads((run_dir / "summary.json").read_text())
    past = history.replay(journal.read(run_dir / "journal.jsonl").records)
    epochs = {e: entry["metrics"] for e, entry in past["epochs"].items()}
    kept = ("status", "metrics", "best", "epochs", "steps", "weights_sha256", "data_sha256")
    return {**{k: summary[k] for k in kept}, "history": epochs}


@pytest.mark.parametrize("features", FEATURES)
def test_a_run_stopped_within_an_epoch_and_between_two_ends_with_the_same_bits(
    features, inside, stopped, request
):
    if "streamed" in features:
        request.getfixturevalue("few_held")
    overrides = [*BASE, f"trainer={features.split()[0]}", *FEATURES[features]]
    whole = trainrun.run(overrides, run_dir="whole")
    stopped((1, 3), lambda: trainrun.run(overrides, run_dir="cut"))
    at = file.read(inside / "cut" / "checkpoints" / "last.npz")
    assert (at.epoch, at.step) == (1, 3)
    assert record(inside / "cut")["status"] == "KILLED"
    stopped((2, 0), lambda: resume.main(["cut"]))
    at = file.read(inside / "cut" / "checkpoints" / "last.npz")
    assert (at.epoch, at.step) == (2, 0)
    assert resume.main(["cut"]) == 0
    assert record(inside / "cut") == record(whole.run_dir)
    if "callbacks" in features:
        assert (inside / "cut" / "logs.csv").read_text() == (inside / "whole" / "logs.csv").read_text()
    if "patience" in features:
        assert whole.summary["epochs"] < 12, "it was not stopped early"
        assert len(set(whole.history["learning_rate"])) > 1, "the plateau was never seen"


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory):
    """A run of three epochs with its checkpoints of each half of one, to be copied."""
    folder = tmp_path_factory.mktemp("three")
    before = os.getcwd()
    os.chdir(folder)
    try:
        overrides = [*BASE, "trainer.epochs=3", "checkpoint.every=0.5epochs", "checkpoint.keep=10"]
        return trainrun.run(overrides, run_dir=folder / "outputs" / "runs" / "one")
    finally:
        os.chdir(before)


@pytest.fixture
def copied(three_epochs, inside):
    """A copy of that run, as one that was killed when it was all but over."""
    run_dir = inside / "outputs" / "runs" / "one"
    shutil.copytree(three_epochs.run_dir, run_dir)
    as_killed(run_dir)
    return run_dir


def as_killed(run_dir, keep=None):
    """Make the journal that of a run whose process is gone without a word; `keep` of its records are left."""
    first, *others = [json.loads(t) for t in (run_dir / "journal.jsonl").read_text().splitlines()]
    left = [{**first, "pid": 2**22 - 1}, *(r for r in others if r["kind"] != "end")][:keep]
    (run_dir / "journal.jsonl").write_text("".join(json.dumps(r) + "\n" for r in left))


def go_back(run_dir, newest):
    """Remove the newest checkpoints until `newest` (epochs done, steps of the next) is the newest."""
    while (at := file.read((files := file.files(run_dir))[0])) and (at.epoch, at.step) != newest:
        files[0].unlink()
    os.replace(file.files(run_dir)[0], run_dir / "checkpoints" / "last.npz")


# Within the first epoch, within a later one and after one; between two epochs is shown above. By each name of the run.
@pytest.mark.parametrize(
    ("place", "word", "message"),
    [
        ((0, 3), "outputs/runs/one", "continuing with epoch 1 of 3, step 4 of 6"),
        ((2, 0), "one", "continuing with epoch 3 of 3"),
        ((2, 3), "last", "continuing with epoch 3 of 3, step 4 of 6"),
        ((3, 0), "one", ""),
    ],
    ids=str,
)
def test_it_goes_on_from_any_checkpoint_to_the_same_bits(place, word, message, copied, three_epochs, capsys):
    go_back(copied, place)
    assert main(["resume", word]) == 0
    assert message in capsys.readouterr().out
    assert record(copied) == record(three_epochs.run_dir)


def test_a_run_stopped_after_the_last_step_of_an_epoch_says_so(inside, stopped, capsys):
    stopped((1, 6), lambda: trainrun.run([*BASE, "trainer=custom"], run_dir="cut"))  # 90 examples, 16 a step
    assert resume.main(["cut"]) == 0
    assert "continuing with epoch 2 of 4, after its last step" in capsys.readouterr().out


def test_tracking_may_change_on_resume_and_the_journal_records_the_checkpoint(copied):
    go_back(copied, (1, 3))
    changed = ["hardware=cpu", "name=again", "artifacts.model=true", "checkpoint.keep=3"]
    assert resume.main([str(copied), *changed]) == 0
    assert (copied / "model.keras").is_file()
    starts = [r for r in journal.read(copied / "journal.jsonl").records if r["kind"] == "start"]
    assert starts[-1]["resumed_from"] == {
        "epoch": 1, "step": 3, "updates": 9, "checkpoint": "last.npz", "changed": changed,
    }  # fmt: skip
    assert json.loads((copied / "summary.json").read_text())["resumed_from"] == starts[-1]["resumed_from"]


def test_finished_run_is_reported_and_not_changed(three_epochs, capsys):
    before = (three_epochs.run_dir / "journal.jsonl").read_bytes()
    assert resume.main([str(three_epochs.run_dir)]) == 0
    assert "one is finished: 3 epochs" in capsys.readouterr().out
    assert (three_epochs.run_dir / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("override", ["artifacts.plots=true", "tracking=mlflow", "trainer.epochs=3"])
def test_an_override_that_would_change_nothing_of_a_finished_run_is_refused(override, three_epochs, capsys):
    before = (three_epochs.run_dir / "journal.jsonl").read_bytes()
    assert main(["resume", str(three_epochs.run_dir), override]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert override.partition("=")[0] in message and "the run is finished" in message
    assert "trainrun resume one trainer.epochs=6" in message
    assert (three_epochs.run_dir / "journal.jsonl").read_bytes() == before


def test_more_epochs_go_on_from_the_end_as_one_longer_run(copied, inside):
    assert resume.main([str(copied), "trainer.epochs=5"]) == 0
    whole = trainrun.run([*BASE, "trainer.epochs=5"], run_dir="whole")
    ours, theirs = record(copied), record(whole.run_dir)
    assert ours == theirs
    assert yaml.safe_load((copied / "config.yaml").read_text())["trainer"]["epochs"] == 5


def test_a_callback_of_ones_own_learns_that_its_run_has_become_longer(inside):
    (inside / "lengths.py").write_text("""
import keras
import trainrun

class Lengths(keras.callbacks.Callback):
    def __init__(self, epochs, total_steps):
        super().__init__()
        self.epochs, self.total_steps, self.ended = epochs, total_steps, 0

    def on_epoch_end(self, epoch, logs=None):
        self.ended += 1
        logs["lengths"] = 1000.0 * self.epochs + 10 * self.total_steps + self.ended

trainrun.register("callback", "lengths")(Lengths)
""")
    words = [*BASE, "plugins=[./lengths.py]", "callback=lengths"]
    trainrun.run([*words, "trainer.epochs=2"], run_dir="short")
    assert resume.main(["short", "trainer.epochs=3"]) == 0
    records = journal.read(inside / "short" / "journal.jsonl").records
    lengths = [r["metrics"]["lengths"] for r in records if r["kind"] == "epoch"]
    # Six steps an epoch.
    assert lengths == [2121, 2122, 3183]


def test_overrides_that_change_the_training_are_refused_all_at_once(copied, capsys):
    before = (copied / "journal.jsonl").read_bytes()
    assert (
        main(["resume", "one", "optimizer=sgd", "seed=3", "model.units=[3]", "hardware.precison=float16"])
        == 2
    )
    message = capsys.readouterr().err
    for key in ("optimizer", "seed", "model.units"):
        assert f"{key}: a resumed run keeps its settings" in message
    assert "hardware.precison: no such key in this run's config. Did you mean precision?" in message
    assert main(["resume", "one", "trainer.epochs=2"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "expected at least 3, the epochs that the run was set to train, got 2" in message
    assert "To train anew: trainrun … trainer.epochs=2" in message
    assert (copied / "journal.jsonl").read_bytes() == before


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(copied, three_epochs, capsys):
    go_back(copied, (2, 3))
    last = copied / "checkpoints" / "last.npz"
    last.write_bytes(last.read_bytes()[:-1000])
    assert resume.main([str(copied)]) == 0
    captured = capsys.readouterr()
    assert "last.npz is damaged" in captured.err and "the one before it is used" in captured.err
    assert "continuing with epoch 3 of 3" in captured.out
    assert record(copied) == record(three_epochs.run_dir)


def test_without_any_checkpoint_it_begins_anew_as_it_began(copied, three_epochs, capsys):
    shutil.rmtree(copied / "checkpoints")
    assert resume.main([str(copied)]) == 0
    assert "no checkpoint was written yet" in capsys.readouterr().out
    assert record(copied) == record(three_epochs.run_dir)


def test_other_data_is_refused(inside, stopped):
    table = inside / "t.csv"
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(80)]
    table.write_text("\n".join(["one,two,y", *rows]) + "\n")
    overrides = [*BASE[:-2], "trainer.epochs=2", "data=csv", "data.path=t.csv", "data.target=y"]
    stopped((1, 1), lambda: trainrun.run(overrides, run_dir="cut"))
    table.write_text("\n".join(["one,two,y", *rows[:-1], "6,4,a"]) + "\n")
    assert main(["resume", "cut"]) == 2
    table.write_text("\n".join(["one,two,y", *rows]) + "\n")
    assert main(["resume", "cut"]) == 0


@pytest.mark.parametrize("lost", ["config.yaml", "journal.jsonl"])
def test_a_directory_that_is_half_gone_is_refused_in_a_sentence(lost, copied, capsys):
    (copied / lost).unlink()
    assert main(["resume", str(copied)]) == 2
    assert lost in capsys.readouterr().err


def test_a_config_of_a_newer_trainrun_is_refused(copied, capsys):
    with open(copied / "config.yaml", "a") as file:
        file.write("hyperdrive: true\n")
    assert main(["resume", "one"]) == 2
    assert "hyperdrive" in capsys.readouterr().err


@pytest.mark.parametrize("trainer", ["minimize", "gradient_loop"])
def test_a_trainer_without_epochs_goes_on_from_its_step(trainer, inside, stopped):
    overrides = ["experiment=quadratic", f"trainer={trainer}", *BASE[:5], "optimizer.momentum=0.5"]
    whole = trainrun.run(overrides, run_dir="whole")
    stopped((0, 7), lambda: trainrun.run(overrides, run_dir="cut"))
    at = file.read(inside / "cut" / "checkpoints" / "last.npz")
    assert (at.epoch, at.step) == (0, 7)
    assert main(["resume", "cut"]) == 0
    assert record(inside / "cut") == record(whole.run_dir)


def test_a_run_that_another_process_trains_is_not_touched(copied, capsys):
    lines = (copied / "journal.jsonl").read_text().splitlines(keepends=True)
    start = {**json.loads(lines[0]), **liveness.identity()}
    (copied / "journal.jsonl").write_text("".join([json.dumps(start) + "\n", *lines[1:]]))
    assert main(["resume", "one"]) == 2
    assert "is still running" in capsys.readouterr().err
