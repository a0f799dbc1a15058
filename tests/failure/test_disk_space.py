"""A disk that is full: said early by an estimate, and clearly when it happens; what was saved stays whole."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
from collections import namedtuple

import numpy as np
import pytest
from failing import QUICK, read

import trainrun
from trainrun.checkpoint import file
from trainrun.cli import main
from trainrun.errors import TrainingError, UserError

Usage = namedtuple("Usage", "total used free")


def free(monkeypatch, count):
    monkeypatch.setattr("trainrun.failure.disk_space.shutil.disk_usage", lambda path: Usage(10**12, 0, count))


def no_room(*arguments, **more):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def leftovers(run_dir):
    return [p.name for p in run_dir.rglob(".*") if p.is_file() and p.suffix != ".lock"]


def test_run_that_cannot_fit_on_the_disk_is_refused_with_the_sizes(run, monkeypatch, project):
    free(monkeypatch, 50_000)
    with pytest.raises(
        UserError, match=r"50 kB left; the run needs about .*: 4 checkpoints of .*kB.*checkpoint.keep=1"
    ):
        run()
    assert not (project / "outputs").exists()


def test_tight_disk_space_is_a_warning(run, monkeypatch, capsys):
    free(monkeypatch, 250_000)
    assert run().status == "FINISHED"
    assert "That is scarce" in capsys.readouterr().err


def test_full_disk_while_a_checkpoint_is_written_leaves_the_previous_one(run, monkeypatch, project):
    written = []
    savez = np.savez

    def third(file, **content):
        written.append(file)
        if len(written) > 3:
            file.write(b"half of it")
            no_room()
        savez(file, **content)

    monkeypatch.setattr(file.np, "savez", third)
    message, run_dir = run.fail("checkpoint.every=1epochs", "trainer.epochs=5")
    assert "No space left on device" in message and f"trainrun resume {run_dir}" in message
    newest, damage = file.newest(run_dir)
    assert not damage and newest.epoch >= 1 and not leftovers(run_dir)
    summary = read(run_dir, "summary.json")
    assert summary["status"] == "FAILED" and summary["attempts"][-1]["failure"] == "disk_full"
    monkeypatch.undo()
    os.chdir(project)
    assert main(["resume", str(run_dir)]) == 0
    assert read(run_dir, "summary.json")["epochs"] == 5


@pytest.mark.parametrize("number", [3, 8], ids=["before training", "while training"])
def test_full_disk_while_the_journal_is_written_ends_it_with_a_whole_line(number, run, monkeypatch):
    from trainrun.tracking import journal

    lines = []

    class LineCutShort(io.FileIO):
        def write(self, data):
            lines.append(data)
            if len(lines) == number:
                super().write(data[:20])
                no_room()
            return super().write(data)

    monkeypatch.setattr(journal, "open", lambda path, mode, **_: LineCutShort(path, mode), raising=False)
    message, run_dir = run.fail("trainer.epochs=5", "checkpoint.every=1epochs")
    assert message.startswith("the disk is full") and f"trainrun resume {run_dir}" in message
    records = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    assert records[-1]["status"] == "FAILED", "the end stands on a line of its own"
    assert read(run_dir, "summary.json")["status"] == "FAILED"


def test_full_disk_while_the_model_is_saved_leaves_the_checkpoint(run, monkeypatch):
    import keras

    def half(self, path, *more, **others):
        with open(path, "wb") as file:
            file.write(b"half")
        no_room()

    monkeypatch.setattr(keras.Model, "save", half)
    message, run_dir = run.fail("artifacts.model=true")
    assert message.startswith("the disk is full") and "The checkpoint of epoch 3 is whole" in message
    assert not (run_dir / "model.keras").exists() and not leftovers(run_dir)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 800 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_really_full_disk_ends_the_run_with_a_message(small_disk, project):
    run_dir, filler = small_disk / "run", small_disk / "filler"
    with pytest.raises(TrainingError) as caught:
        trainrun.run([*QUICK, "callback=filler", f"callback.filler.path={filler}", "trainer.epochs=5",
                      "checkpoint.every=1epochs"], run_dir=run_dir)  # fmt: skip
    assert f"trainrun resume {run_dir}" in str(caught.value)
    newest, damage = file.newest(run_dir)
    assert not damage and newest.epoch == 1
    filler.unlink()
    assert main(["resume", str(run_dir)]) == 0
    summary = read(run_dir, "summary.json")
    assert (summary["status"], summary["epochs"]) == ("FINISHED", 5)
    assert not leftovers(run_dir)
