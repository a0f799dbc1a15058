"""MLflow's SQLite file: there whole, or not at all; what is wrong with one that is there is said in one line, and soon."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from trainrun.tracking.delivery import errors
from trainrun.tracking.mlflow import sqlite, store

MAKE = """
import sys
from trainrun.tracking.mlflow import sqlite, store
store.import_quietly()
print("begins", flush=True)
sqlite.connect(sys.argv[1])
"""


@pytest.fixture
def uri(tmp_path):
    store.import_quietly()
    return f"sqlite:///{tmp_path}/mlflow.db"


def half_made(file):
    """Leave what MLflow leaves when it is killed while it makes the file in place."""
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE experiment_tags (key TEXT)")
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
    database.close()


def test_a_kill_while_it_is_made_leaves_none(tmp_path, uri):
    process = subprocess.Popen([sys.executable, "-c", MAKE, uri], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"begins\n"
    new = tmp_path / ".mlflow.db.new"
    until = time.monotonic() + 60
    while not new.exists() or new.stat().st_size < 50_000:  # in the middle of the migrations
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "mlflow.db").exists()
    client = sqlite.connect(uri)
    assert client.search_experiments()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.db"]


def test_half_a_file_is_set_aside(tmp_path, uri):
    half_made(tmp_path / "mlflow.db")
    with pytest.raises(BlockingIOError, match="is incomplete"):  # MLflow itself may just be making it
        sqlite.connect(uri)
    os.utime(tmp_path / "mlflow.db", (time.time() - sqlite.SETTLED_S - 5,) * 2)
    assert sqlite.connect(uri).search_experiments()
    assert [*tmp_path.glob("mlflow.db.broken-*")]


def broken_with_runs(file):
    half_made(file)
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE runs (run_uuid TEXT)")
        database.execute("INSERT INTO runs VALUES ('a')")
    database.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: file.mkdir(), "cannot be opened"),
        (lambda file: file.write_text("no database at all, but a long text"), "no SQLite database"),
        (broken_with_runs, "trainrun sync --all"),
    ],
    ids=["a folder", "a text", "damaged, with runs"],
)
def test_what_cannot_be_opened_is_refused_at_once_and_kept(tmp_path, uri, make, words):
    make(tmp_path / "mlflow.db")
    began = time.monotonic()
    with pytest.raises(errors.Refused, match=words):
        sqlite.connect(uri)
    assert time.monotonic() - began < 5
    assert [p.name for p in tmp_path.iterdir()] == ["mlflow.db"]


def test_the_wait_for_another_process_that_makes_it_ends_with_its_name(tmp_path, uri, monkeypatch):
    monkeypatch.setattr(sqlite, "LOCK_TIMEOUT_S", 0.2)
    lock = sqlite.FileLock(tmp_path / ".mlflow.db.lock")
    assert lock.acquire()
    with pytest.raises(TimeoutError, match=f"process {os.getpid()} on"):
        sqlite.connect(uri)


@pytest.mark.parametrize("name", ["..", ".", "x" * 300, "ä/b c", "ok-1.2"])
def test_an_experiment_of_any_name_has_a_folder_below_that_of_all(name):
    folder = store.folder_name(name)
    assert folder.strip(".") and "/" not in folder and len(folder.encode()) <= 255
    assert (folder == name) is (name == "ok-1.2")
