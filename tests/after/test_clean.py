"""`trainrun rm` and `trainrun gc`: what goes, what stays, and that nothing else is touched."""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path

import pytest
from made_up_runs import run, sweep

from trainrun.cli import main
from trainrun.tracking import lease, trackers
from trainrun.tracking.delivery import state
from trainrun.tracking.tensorboard.tracker import TensorboardTracker
from trainrun.util.file_lock import FileLock


def document(capsys, *argv, code=0):
    assert main([*argv, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def aged(path: Path) -> Path:
    os.utime(path, (time.time() - 9999,) * 2)
    return path


def stored_data(digest: str) -> Path:
    folder = Path("outputs/.data", digest)
    folder.mkdir(parents=True)
    (folder / "arrays.npz").write_bytes(b"x" * 10)
    return aged(folder)


def test_a_run_is_removed_after_a_dry_run_and_a_question(inside, capsys, monkeypatch):
    folder, other = run("runs/a"), run("runs/b")
    assert main(["rm", "a"]) == 0
    out = capsys.readouterr().out
    assert "outputs/runs/a" in out and "nothing was removed; --yes removes it" in out and folder.is_dir()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, there in (("\n", True), ("n\n", True), ("y\n", False)):
        monkeypatch.setattr("sys.stdin.readline", lambda answer=answer: answer, raising=False)
        assert main(["rm", "a"]) == 0
        assert folder.is_dir() is there
    assert "removed 1 of 1" in capsys.readouterr().out and other.is_dir()
    assert not Path("outputs/.trash").exists()


def test_whatever_has_to_stay_is_named_at_once_and_nothing_is_removed(inside, capsys, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    run("runs/free")
    run("runs/live", end=None, alive=True)
    run("runs/stopped", end="KILLED", checkpoint=True)
    run("runs/source")
    run("runs/heir", model={"name": "file", "path": "outputs/runs/source/model.keras"})
    sweep("s", [0.3, 0.1, 0.2])
    sweep("killed", [0.3], end=None)
    run("runs/moved").rename(elsewhere / "moved")
    Path("outputs/runs/link").symlink_to(elsewhere / "moved")
    words = ["free", "live", "stopped", "source", "s/1", "killed/0"]
    assert main(["rm", "--yes", *words]) == 2
    err = capsys.readouterr().err
    for words_of_reason in (
        "it is running",
        "--unfinished",
        "heir starts from",
        "a winner of its sweep",
        "the sweep can be resumed",
    ):
        assert words_of_reason in " ".join(err.split())
    assert "5 problems" in err and Path("outputs/runs/free").is_dir()
    assert main(["rm", "--yes", "outputs/runs/link", str(elsewhere / "moved"), "free"]) == 2
    err = capsys.readouterr().err
    assert "is a link" in err and "is no directory of outputs/runs" in err
    assert (elsewhere / "moved/model.keras").exists() and Path("outputs/runs/free").is_dir()
    assert (
        main(
            [
                "rm",
                "--yes",
                "--unfinished",
                "stopped",
                "killed",
                "s",
                str(Path("outputs/runs/free").absolute()),
            ]
        )
        == 0
    )
    assert sorted(p.name for p in Path("outputs/runs").iterdir()) == ["heir", "link", "live", "source"]
    assert not [*Path("outputs/sweeps").iterdir()]


def test_gc_keeps_the_newest_winners_and_what_others_need(inside, capsys):
    run("runs/source")
    run("runs/old")
    stopped = run("runs/stopped", end="FAILED", checkpoint=True)
    swept = sweep("s", [0.3, 0.1, 0.2])
    (swept / "second_name").symlink_to("0")
    run("runs/heir", model={"name": "file", "path": str(Path("outputs/runs/source/model.keras").absolute())})
    plan = document(capsys, "gc", "--keep", "best,registered,last", "1")
    assert {Path(r["path"]).name for r in plan["plan"]} == {"old", "0", "2"} and plan["removed"] == []
    assert plan["bytes"] >= 3000 and plan["kept"]["outputs/runs/heir"] == "one of the newest 1"
    done = document(capsys, "gc", "--keep", "last 1", "--yes")
    assert len(done["removed"]) == 3 and not done["failures"]
    assert sorted(p.name for p in Path("outputs/runs").iterdir()) == ["heir", "source", "stopped"]
    assert sorted(p.name for p in swept.iterdir()) == ["1", "journal.jsonl", "removed.jsonl", "sweep.json"]
    assert main(["best", "s"]) == 0 and "learning_rate=1" in capsys.readouterr().out
    assert main(["resume", "s"]) == 0 and "all 3 trials have ended" in capsys.readouterr().out
    ranked = csv.DictReader((swept / "leaderboard.csv").read_text().splitlines())
    assert [(r["trial"], r["val_loss"]) for r in ranked] == [("1", "0.1"), ("2", "0.2"), ("0", "0.3")]
    assert not (swept / "0").exists()
    assert document(capsys, "gc", "--keep", "last 1", "--unfinished", "--yes")["removed"] == [str(stopped)]
    assert document(capsys, "gc")["plan"] == []
    assert main(["gc", "--keep", "newest"]) == 2 and "expected best, registered" in capsys.readouterr().err


def test_a_sweep_without_a_ranking_stays(inside, capsys):
    sweep("s", [0.3, 0.1], objective="val_unheard_of", direction="auto")
    assert document(capsys, "gc", "--keep", "last 0")["plan"] == []


def test_data_and_images_go_with_the_last_run_that_uses_them(inside, capsys):
    used, shared, free, young = (stored_data(c * 16) for c in "abcd")
    os.utime(young)
    images = Path("outputs/.cache/images")
    images.mkdir(parents=True)
    (images / "key.npy").write_bytes(b"x")
    aged(images)
    Path("outputs/.data/link").symlink_to(inside)
    for name, digests in (("old", [used, shared]), ("new", [shared])):
        run(
            f"runs/{name}",
            data={"name": "npz", "path": str(digests[0] / "arrays.npz"), "more": [str(d) for d in digests]},
        )
    run("runs/photos", data={"name": "image_folder"})
    gone = {Path(r["path"]).name for r in document(capsys, "rm", "old")["plan"]}
    assert gone == {"old", used.name}  # and not what nothing used before
    gone = {Path(r["path"]).name for r in document(capsys, "rm", "photos")["plan"]}
    assert gone == {"photos", "images"}
    removed = document(capsys, "gc", "--keep", "last 2", "--yes")["removed"]
    assert {Path(p).name for p in removed} == {"old", used.name, free.name}
    assert shared.is_dir() and young.is_dir() and images.is_dir() and Path("outputs/.data/link").is_symlink()


def test_a_run_that_is_taken_up_meanwhile_stays_and_the_others_go(inside, capsys, monkeypatch):
    taken, free = run("runs/a"), run("runs/b")
    lock = FileLock(taken / lease.TRAINING)
    assert lock.acquire()
    done = document(capsys, "rm", "a", "b", "--yes", code=1)
    lock.release()
    assert done["removed"] == [str(free)] and "another process" in done["failures"][str(taken)]
    assert (taken / "model.keras").exists()


def test_a_link_within_a_run_is_removed_and_not_followed(inside, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "file").write_text("x")
    (run("runs/a") / "link").symlink_to(outside)
    assert main(["rm", "a", "--yes"]) == 0
    assert (outside / "file").exists() and not Path("outputs/runs/a").exists()


class Registry(TensorboardTracker):
    """A tracker with one registered model."""

    title = "Registry"
    deleted: list[str] = []
    fault: Exception | None = None

    @classmethod
    def registered(cls, target):
        if cls.fault is not None:
            raise cls.fault
        return {"id_a"}

    def delete(self):
        self.deleted.append(self.cursor.run_id)


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(trackers, "find", lambda name: Registry)
    monkeypatch.setattr(Registry, "deleted", [])
    return Registry


def test_registered_models_stay_and_trackers_forget_only_on_wish(inside, capsys, registry):
    for name in "abcd":
        cursor = state.Cursor(run(f"runs/{name}"), state.Target("tensorboard", "place"))
        cursor.run_id, cursor.experiment_id = f"id_{name}", "1"
        cursor.save()
    for fault, shown in ((ConnectionError("no answer"), "no answer"), (TimeoutError(), "TimeoutError")):
        registry.fault = fault
        assert main(["rm", "b", "--yes"]) == 2
        assert f"does not answer ({shown})" in " ".join(capsys.readouterr().err.split())
    registry.fault = None
    assert main(["rm", "a", "--yes"]) == 2 and "a registered model comes from it" in capsys.readouterr().err
    assert main(["rm", "b", "--yes"]) == 0 and registry.deleted == []
    Path("outputs/runs/c").rename(
        "outputs/runs/copy"
    )  # what lies elsewhere than where it was born may be a copy
    assert main(["gc", "--keep", "last 0", "--yes", "--tracker"]) == 0 and registry.deleted == ["id_d"]
    assert [p.name for p in Path("outputs/runs").iterdir()] == ["a"]
