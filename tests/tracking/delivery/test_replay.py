"""Files on their way to a tracker hold back neither metrics nor the end; the tracker here keeps what it is sent in a list."""

from __future__ import annotations

import time

import pytest

from trainrun.tracking import trackers
from trainrun.tracking.delivery import errors, state, sync
from trainrun.tracking.delivery.replay import Follower
from trainrun.tracking.delivery.state import Cursor, Target
from trainrun.tracking.journal import Journal

TARGET = Target("mlflow", "http://store", "e")


class Store(trackers.Tracker):
    """Takes everything, but for the files that `refuses` names, with the error that it gives."""

    title, files_apart = "Store", True

    def __init__(self, cursor, refuses=None):
        self.sent, self.refuses = [], refuses or {}
        super().__init__(cursor)

    def deliver(self, records):
        if records[0]["kind"] == "artifact" and (error := self.refuses.get(records[0]["path"])):
            raise error
        self.sent += [r.get("path") or r["kind"] for r in records]


@pytest.fixture
def run_dir(tmp_path):
    book = Journal(tmp_path / "journal.jsonl")
    book.write("start", run_id="r")
    for path in ("config.yaml", "model.keras"):
        book.write("artifact", path=path)
        book.write("epoch", epoch=1, step=1, metrics={"loss": 1.0})
    book.write("artifact", path="summary.json")
    book.write("end", status="FINISHED")
    book.close()
    return tmp_path


EVERYTHING = sorted(["start", "config.yaml", "epoch", "model.keras", "epoch", "summary.json", "end"])


def test_files_that_are_taken_come_before_the_end(run_dir):
    place = Cursor(run_dir, TARGET)
    follower = Follower(place, Store(place))
    follower.pass_on()
    assert sorted(follower.tracker.sent) == EVERYTHING and follower.tracker.sent[-1] == "end"
    assert follower.done and not place.left and place.next == 7


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionError("refused"), True),  # the artifact store does not answer
        (errors.Refused("403"), True),
        (errors.Unsendable("413: too large"), False),  # never, but on request
    ],
)
def test_a_file_that_is_not_taken_holds_back_nothing_and_is_named_and_tried_again(run_dir, error, again):
    place = Cursor(run_dir, TARGET)
    store = Store(place, {"model.keras": error})
    follower = Follower(place, store)
    follower.pass_on()
    assert follower.ended and "end" in store.sent and store.sent.count("epoch") == 2
    assert place.next == 7 and "model.keras" in place.left["3"]
    assert follower.done is not again and (follower.files_error is error) is again
    assert state.unsent(state.find(state.read(run_dir), TARGET), 7) >= 1
    store.refuses = {}
    until = time.monotonic() + 30
    while again and not follower.done:
        assert time.monotonic() < until
        time.sleep(follower.files.remaining)
        follower.pass_on()
    # Another process knows what is left, too.
    place = Cursor(run_dir, TARGET)
    Follower(place, store).pass_on()
    assert not place.left and sorted(store.sent) == EVERYTHING


class Gone(Store):
    """Its experiment was deleted."""

    def open(self, start):
        raise errors.Deleted("the experiment was deleted")


def test_sync_says_that_a_run_can_no_longer_be_delivered(run_dir, monkeypatch):
    monkeypatch.setattr(trackers, "find", lambda name: Gone)
    monkeypatch.setattr(sync, "targets_of", lambda *a: [TARGET])
    named = sync.run(run_dir, sync.Where(), 1.0, named=True)
    assert named.deleted and named.unsent == 7 and "the experiment was deleted" in named.text
    others = sync.run(run_dir, sync.Where(), 1.0, named=False)
    assert others.deleted and not others.text
