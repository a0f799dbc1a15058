"""The recorder without a server, with a broken one, and the secrets that pass through it."""

from __future__ import annotations

import errno

import keras
import numpy as np
import pytest

import trainrun
from trainrun.tracking import journal, status
from trainrun.tracking.record import Recorder, flatten
from trainrun.tracking.settings import TrackingSettings

SECRET = "hunter2"


def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(callback, epochs=2):
    x = np.ones((64, 2), "float32")
    model().fit(x, x[:, :1], batch_size=8, epochs=epochs, verbose=0, callbacks=[callback])


def start(recorder, **more):
    recorder.start(run_id="r1", config={"loss": {"name": "huber"}}, **more)


def test_writes_epochs_with_their_steps(tmp_path):
    recorder = Recorder(tmp_path)
    start(recorder)
    fit(recorder.callback())
    ended = recorder.end("FINISHED")
    records = journal.read(tmp_path / "journal.jsonl").records
    assert [r["kind"] for r in records] == ["start", "epoch", "epoch", "end"]
    assert [(r["epoch"], r["step"]) for r in records[1:3]] == [(1, 8), (2, 16)]
    assert all(isinstance(r["metrics"]["loss"], float) for r in records[1:3])
    assert ended == (None, 0)


def test_batch_metrics_are_written_on_request(tmp_path):
    recorder = Recorder(tmp_path, TrackingSettings(every_steps=3))
    start(recorder)
    fit(recorder.callback())
    recorder.end("FINISHED")
    batches = [r for r in journal.read(tmp_path / "journal.jsonl").records if r["kind"] == "batch"]
    assert [(r["epoch"], r["step"]) for r in batches] == [(1, 3), (1, 6), (2, 9), (2, 12), (2, 15)]


def test_secrets_reach_no_file(tmp_path):
    recorder = Recorder(tmp_path, name=f"tracking.uri=http://u:{SECRET}@h")
    recorder.start(
        run_id="r1",
        config={"tracking": {"uri": f"http://me:{SECRET}@host"}, "data": {"password": SECRET}},
        overrides=[f"tracking.uri=http://me:{SECRET}@host"],
        command=f"trainrun tracking.uri=http://me:{SECRET}@host",
        dataset={"name": "csv", "digest": "0", "source": f"http://me:{SECRET}@host/x.csv"},
        tags={"note": f"ftp://me:{SECRET}@host"},
        more=[f"http://me:{SECRET}@host"],
    )
    recorder.event("retry", message=f"http://me:{SECRET}@host refused")
    recorder.end("FAILED", reason=f"http://me:{SECRET}@host is down")
    for file in tmp_path.iterdir():
        assert SECRET not in file.read_text()


def test_artifacts_are_relative_and_what_is_missing_is_left_out(tmp_path):
    (tmp_path / "plots").mkdir()
    for name in ("plots/a.png", "plots/b.png", "config.yaml"):
        (tmp_path / name).write_text("x")
    recorder = Recorder(tmp_path)
    start(recorder)
    recorder.artifacts(["config.yaml", tmp_path / "plots", "nothing.html"])
    recorder.end("FINISHED")
    records = journal.read(tmp_path / "journal.jsonl").records
    assert [r["path"] for r in records if r["kind"] == "artifact"] == [
        "config.yaml",
        "plots/a.png",
        "plots/b.png",
    ]


def test_the_first_end_counts(tmp_path):
    recorder = Recorder(tmp_path)
    start(recorder)
    recorder.end("FAILED", reason="it broke")
    recorder.end("FINISHED")
    now = status.read(tmp_path)
    assert (now.status, now.reason) == ("FAILED", "it broke")


def test_flatten_keeps_lists_and_empty_branches():
    tree = {"a": {"b": {"c": 1}, "d": {}}, "l": [{"name": "dense"}], "n": None}
    assert flatten(tree) == {"a.b.c": 1, "a.d": {}, "l": [{"name": "dense"}], "n": None}


@pytest.mark.parametrize("attempts", [0, 1])
def test_an_attempt_without_room_for_its_first_record_leaves_none(attempts, tmp_path, monkeypatch):
    for _ in range(attempts):
        recorder = Recorder(tmp_path)
        start(recorder)
        recorder.end("KILLED", "why")
    before = (tmp_path / "journal.jsonl").read_bytes() if attempts else b""
    recorder = Recorder(tmp_path)

    def full(kind, **fields):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(recorder.journal, "write", full)
        with pytest.raises(OSError, match="No space"):
            start(recorder)
    (tmp_path / "summary.json").write_text("{}")
    recorder.artifacts(["summary.json"])
    assert recorder.end("FAILED", "No space left on device") == (None, 0)
    assert (tmp_path / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("before", "now", "steps"), [(None, 3, [6, 9]), (3, None, []), (3, 2, [5, 7, 9]), (3, 3, [6, 9])]
)
def test_a_resumed_run_writes_batch_metrics_at_its_own_interval(before, now, steps, tmp_path, monkeypatch):
    """Nine updates, of which three are done before; an interval that is the same goes on where it was."""
    monkeypatch.chdir(tmp_path)

    def every(interval):
        return f"tracking.every_steps={'null' if interval is None else interval}"

    base = ["tracking=none", "data=iris", "model=linear", "trainer.limit=48", "trainer.batch_size=16", "data.validation=0",
            "data.test=0", "artifacts=none"]  # fmt: skip
    trainrun.run([*base, "trainer.epochs=1", every(before)], run_dir="r")
    trainrun.resume("r", ["trainer.epochs=3", every(now)])
    records = journal.read(tmp_path / "r" / "journal.jsonl").records
    assert [r["step"] for r in records if r["kind"] == "batch" and r["step"] > 3] == steps
