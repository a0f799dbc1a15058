"""A run in TensorBoard's event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path

import pytest

from trainrun.cli import main
from trainrun.tracking import journal, listing
from trainrun.tracking.delivery import client, errors, state
from trainrun.tracking.delivery.replay import Follower
from trainrun.tracking.delivery.state import Cursor, Target
from trainrun.tracking.record import Recorder
from trainrun.tracking.settings import TrackingSettings
from trainrun.tracking.tensorboard.event_file import EventFile
from trainrun.tracking.tensorboard.tracker import TensorboardTracker
from trainrun.util import paths

ALONE = {"tensorboard": {"name": "tensorboard"}, "interval": 0.05, "timeout": 60}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)


def events(run_dir):
    """Return TensorBoard's own view of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(
        str(Path(run_dir) / "tensorboard"), size_guidance={"scalars": 0, "images": 0}
    )
    accumulator.Reload()
    return accumulator


def curve(accumulator, tag):
    return [(e.step, e.value) for e in accumulator.Scalars(tag)]


def text(accumulator, tag):
    return accumulator.Tensors(tag)[-1].tensor_proto.string_val[0].decode()


def record(run_dir, settings, first=1, last=3, **start):
    """Record a run, and return the end of it."""
    recorder = Recorder(run_dir, TrackingSettings.of(settings), name="a run", warn=lambda text: None)
    recorder.start(run_id="r", config={"optimizer": {"learning_rate": 0.1}}, command="trainrun a|b", **start)
    for epoch in range(first, last + 1):
        recorder.journal.write("batch", epoch=epoch, step=epoch * 10, metrics={"loss": 2.0 / epoch})
        recorder.journal.write("epoch", epoch=epoch, step=epoch * 10, metrics={"loss": 1.0 / epoch})
    (run_dir / "plots").mkdir(exist_ok=True)
    with paths.whole(run_dir / "plots" / "curves.png") as new:  # the delivery process may read it again
        new.write_bytes(PIXEL)
    (run_dir / "report.html").write_text("<p>")
    recorder.metrics({"test_loss": 0.5, "test_nan": math.nan}, epoch=last, step=last * 10)
    recorder.artifacts(["plots", "report.html"])
    return recorder.end("FINISHED")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    ended = record(run_dir, ALONE)
    maps = Path(f"/proc/{client.courier().process_id}/maps").read_text()
    return run_dir, ended, maps


def test_curves_have_each_value_with_its_step(recorded):
    run_dir, ended, _ = recorded
    assert (ended.undelivered, ended.identity) == (0, None)
    accumulator = events(run_dir)
    assert curve(accumulator, "loss") == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert curve(accumulator, "batch/loss") == [(10, 2.0), (20, 1.0), (30, pytest.approx(2 / 3))]
    assert curve(accumulator, "test_loss") == [(3, 0.5)]
    assert math.isnan(accumulator.Scalars("test_nan")[0].value)
    assert set(accumulator.Tags()["scalars"]) == {"loss", "batch/loss", "test_loss", "test_nan"}
    times = [r["time"] for r in journal.read(run_dir / "journal.jsonl").records if r["kind"] == "epoch"]
    assert [e.wall_time for e in accumulator.Scalars("loss")] == times


def test_plots_are_images_and_the_settings_are_text(recorded):
    accumulator = events(recorded[0])
    (image,) = accumulator.Images("plots/curves")
    assert (image.encoded_image_string, image.width, image.height, image.step) == (PIXEL, 1, 1, 3)
    assert "| optimizer.learning_rate | 0.1 |" in text(accumulator, "parameters")
    assert "| command | trainrun a\\|b |" in text(accumulator, "run")
    assert "| status | FINISHED |" in text(accumulator, "end")
    assert accumulator.SummaryMetadata("end").plugin_data.plugin_name == "text"


def test_the_delivery_process_does_not_load_tensorflow(recorded):
    maps = recorded[2]
    assert "_message" in maps or "protobuf" in maps, "it has written the events"
    assert "tensorflow" not in maps


def test_a_run_that_is_delivered_again_has_each_value_once(recorded, capsys):
    run_dir = recorded[0]
    before = curve(events(run_dir), "loss")
    (run_dir / state.FILE).unlink()
    assert main(["sync", str(run_dir)]) == 0
    assert "sent to tensorboard" in capsys.readouterr().out
    assert curve(events(run_dir), "loss") == before
    for file in (run_dir / "tensorboard").iterdir():
        file.unlink()
    assert main(["sync", str(run_dir)]) == 0
    assert curve(events(run_dir), "loss") == before
    assert main(["sync", str(run_dir)]) == 0
    assert "everything is delivered" in capsys.readouterr().out


def test_a_resumed_run_goes_on_in_its_curves(tmp_path):
    record(tmp_path, ALONE, last=3)
    reader = events(tmp_path)
    resumed = {"epoch": 2, "step": 0, "updates": 20}
    assert record(tmp_path, ALONE, first=3, last=5, resumed_from=resumed).undelivered == 0
    reader.Reload()  # a TensorBoard that has read the first file starts over with the second
    for accumulator in (reader, events(tmp_path)):
        assert [step for step, _ in curve(accumulator, "loss")] == [1, 2, 3, 4, 5]
    assert "learning_rate" in text(accumulator, "parameters/resume 1")
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_a_plot_that_was_damaged_before_a_resume_holds_back_nothing(tmp_path):
    record(tmp_path, ALONE, last=3)
    number = next(
        i for i, r in enumerate(journal.read(tmp_path / "journal.jsonl").records) if r["kind"] == "artifact"
    )
    plot = tmp_path / "plots" / "curves.png"
    plot.write_bytes(b"")
    record(tmp_path, {"name": "none"}, first=4, last=5, resumed_from={"epoch": 3, "step": 0, "updates": 30})
    plot.write_bytes(b"")
    tracker = TensorboardTracker(cursor := Cursor(tmp_path, Target("tensorboard", "tensorboard")))
    follower = Follower(cursor, tracker)
    follower.pass_on()
    assert follower.done
    assert [step for step, _ in curve(events(tmp_path), "loss")] == [1, 2, 3, 4, 5]
    assert "no PNG" in cursor.left[str(number)]
    plot.write_bytes(PIXEL)
    follower.retry_left()
    tracker.close()
    assert not cursor.left
    assert {i.encoded_image_string for i in events(tmp_path).Images("plots/curves")} == {PIXEL}


def fill_disk(monkeypatch, before):
    """Have the disk be full once: at the value after so many others."""
    write, count = EventFile.scalar, iter(range(100))

    def full(*arguments):
        if next(count) == before:
            raise OSError(28, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(EventFile, "scalar", full)


def test_a_full_disk_while_a_file_is_made_anew_loses_no_value(tmp_path, monkeypatch):
    record(tmp_path, ALONE, last=3)
    record(tmp_path, {"name": "none"}, first=4, last=5, resumed_from={"epoch": 3, "step": 0, "updates": 30})
    fill_disk(monkeypatch, before=2)
    cursor = Cursor(tmp_path, Target("tensorboard", "tensorboard"))
    tracker = TensorboardTracker(cursor)
    follower = Follower(cursor, tracker)
    with pytest.raises(OSError, match="No space left"):
        follower.pass_on()
    follower.pass_on()
    tracker.close()
    assert [step for step, _ in curve(events(tmp_path), "loss")] == [1, 2, 3, 4, 5]


def test_a_full_disk_leaves_no_value_twice(tmp_path, monkeypatch):
    record(tmp_path, {"name": "none"})
    cursor = Cursor(tmp_path, Target("tensorboard", "tensorboard"))
    tracker = TensorboardTracker(cursor)
    follower = Follower(cursor, tracker)
    fill_disk(monkeypatch, before=7)
    with pytest.raises(OSError, match="No space left") as error:
        follower.pass_on()
    assert tracker.kind(error.value) == errors.PASSING
    follower.pass_on()
    tracker.close()
    assert [step for step, _ in curve(events(tmp_path), "loss")] == [1, 2, 3]


def test_a_link_in_a_received_run_is_not_written_through(tmp_path):
    run_dir, other = tmp_path / "run", tmp_path / "other"
    run_dir.mkdir()
    record(run_dir, {"name": "none"})
    other.mkdir()
    (other / "events.out.tfevents.1.trainrun").write_text("mine")
    (run_dir / "tensorboard").symlink_to(other)
    assert main(["sync", str(run_dir), "--tracker", "tensorboard"]) == 1
    assert [p.read_text() for p in other.iterdir()] == ["mine"]


@pytest.mark.parametrize("order", [("mlflow", "tensorboard"), ("tensorboard", "mlflow")])
def test_a_tracker_that_is_down_does_not_hold_back_another(tmp_path, order):
    both = {
        "mlflow": {"name": "mlflow", "uri": "http://127.0.0.1:9"},
        "tensorboard": {"name": "tensorboard"},
    }
    settings = {**{name: both[name] for name in order}, "interval": 0.05, "timeout": 20}
    ended = record(tmp_path, settings)
    total = len(journal.read(tmp_path / "journal.jsonl").records)
    assert ended.undelivered == total, "MLflow has nothing of it, TensorBoard all"
    (entry,) = state.read(tmp_path)
    assert (entry["tracker"], entry["next"]) == ("tensorboard", total)
    assert [step for step, _ in curve(events(tmp_path), "loss")] == [1, 2, 3]
    head = journal.first(tmp_path / "journal.jsonl")
    assert [t["tracker"] for t in head["tracking"]] == list(order)
    assert listing.listed(tmp_path, head).unsent == total
    # What the other lacks is sent later, and that alone. (The delivery process still tries: it has the run's lock.)
    os.kill(client.courier([Target("mlflow", both["mlflow"]["uri"])]).process_id, signal.SIGKILL)
    assert main(["sync", str(tmp_path), "--uri", f"sqlite:///{tmp_path}/mlflow.db"]) == 0
    assert {e["tracker"]: e["next"] for e in state.read(tmp_path)} == {"tensorboard": total, "mlflow": total}
    assert listing.listed(tmp_path, head).unsent == 0


def test_a_run_of_the_command_line_goes_to_both(inside):
    words = "data=iris trainer.epochs=2 tracking=[mlflow,tensorboard] artifacts.report=false"
    assert main([*words.split(), "hydra.run.dir=run"]) == 0
    summary = json.loads(Path("run", "summary.json").read_text())
    assert summary["mlflow"]["run_id"]
    entries = {e["tracker"]: e["next"] for e in state.read("run")}
    total = len(journal.read("run/journal.jsonl").records)
    assert entries == {"mlflow": total, "tensorboard": total}
    accumulator = events("run")
    assert len(accumulator.Scalars("val_loss")) == 2
    assert any(tag.startswith("plots/") for tag in accumulator.Tags()["images"])
