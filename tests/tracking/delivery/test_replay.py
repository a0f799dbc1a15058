"""Files on their way to a tracker hold back neither metrics nor the end; the tracker here keeps what it is sent in a list."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from trainrun.tracking import status, trackers
from trainrun.tracking.delivery import errors, replay, state, sync
from trainrun.tracking.delivery.file_queue import FileQueue
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


def deliver(follower):
    """Deliver until nothing is left that can be tried now."""
    follower.pass_on()
    follower.finish_files()


def test_files_that_are_taken_come_before_the_end(run_dir):
    place = Cursor(run_dir, TARGET)
    follower = Follower(place, Store(place))
    deliver(follower)
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
    deliver(follower)
    assert follower.ended and "end" in store.sent and store.sent.count("epoch") == 2
    assert place.next == 7 and "model.keras" in place.left["3"]
    assert follower.done is not again and (follower.files.error is error) is again
    assert state.unsent(state.find(state.read(run_dir), TARGET), 7) >= 1
    store.refuses = {}
    until = time.monotonic() + 30
    while again and not follower.done:
        assert time.monotonic() < until
        time.sleep(follower.files.backoff.remaining)
        deliver(follower)
    # Another process knows what is left, too.
    place = Cursor(run_dir, TARGET)
    deliver(Follower(place, store))
    assert not place.left and sorted(store.sent) == EVERYTHING


class Hanging(Store):
    """Does not answer for the model until `released`."""

    def __init__(self, cursor):
        self.released = threading.Event()
        super().__init__(cursor)

    def deliver(self, records):
        if records[0].get("path") == "model.keras":
            self.released.wait(60)
        super().deliver(records)


def test_the_end_follows_the_last_file_as_soon_as_it_is_taken(run_dir):
    taken, place = threading.Event(), Cursor(run_dir, TARGET)
    with ThreadPoolExecutor(1) as thread:
        follower = Follower(place, Store(place), files=FileQueue(thread.submit, taken.set))  # empty, so false
        follower.pass_on()
        while not follower.done:
            assert taken.wait(5)  # else the end waits for the next of the deliveries, which come every second
            taken.clear()
            follower.pass_on()
    assert follower.tracker.sent[-1] == "end"


def test_a_file_that_hangs_delays_neither_metrics_nor_the_end(run_dir, monkeypatch):
    monkeypatch.setattr(replay, "END_GRACE_S", 0.3)
    place = Cursor(run_dir, TARGET)
    store = Hanging(place)
    follower = Follower(place, store)
    until = time.monotonic() + 10
    while "end" not in store.sent:
        assert time.monotonic() < until
        follower.pass_on()
        time.sleep(min(follower.pause, 0.1))
    assert store.sent.count("epoch") == 2 and "model.keras" not in store.sent and not follower.done
    assert place.next == 7 and {*place.left} == {"3", "5"}  # the file behind it waits, too
    store.released.set()
    deliver(follower)
    assert sorted(store.sent) == EVERYTHING and follower.done and not place.left


@pytest.fixture
def credentials():
    """A token in the environment, which is as it was afterwards."""
    before = dict(os.environ)
    os.environ["MLFLOW_TRACKING_TOKEN"] = "tok-1"
    yield
    os.environ.clear()
    os.environ.update(before)


def test_sync_ends_though_a_request_hangs_and_sends_nothing_more_there(run_dir, monkeypatch, credentials):
    class Silent(Store):
        def open(self, start):
            threading.Event().wait(60)

    monkeypatch.setattr(trackers, "find", lambda name: Silent)
    monkeypatch.setattr(sync, "targets_of", lambda *a: [TARGET])
    monkeypatch.setattr(sync, "SHORTEST_TIMEOUT_S", 0.3)
    silent, began = set(), time.monotonic()
    done = [sync.run(run_dir, sync.Where(), 0.1, True, silent) for _ in range(2)]
    assert time.monotonic() - began < 5 and silent == {TARGET.uri}
    assert [d.unsent for d in done] == [7, 7] and "no answer in time" in done[0].text
    # The request may go on later: an address that was not confirmed gets no credentials then either.
    assert "MLFLOW_TRACKING_TOKEN" not in os.environ


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


def test_a_file_that_is_written_after_the_end_is_sent_where_the_run_was(run_dir, monkeypatch):
    stores = []
    monkeypatch.setattr(trackers, "find", lambda name: MadeOnce)
    monkeypatch.setattr(sync, "targets_of", lambda *a: [TARGET])

    class MadeOnce(Store):
        def __init__(self, cursor):
            super().__init__(cursor)
            stores.append(self)

    (run_dir / "evaluation-new.json").write_text("{}")
    assert sync.add_file(run_dir, run_dir / "evaluation-new.json", 1.0) == sync.Synced("", 0)
    assert not stores  # it was sent nowhere
    place = Cursor(run_dir, TARGET)
    deliver(Follower(place, Store(place)))
    place.close()
    assert sync.add_file(run_dir, run_dir / "evaluation-new.json", 1.0).unsent == 0
    assert stores[-1].sent[-1] == "evaluation-new.json" and status.read(run_dir).status == "FINISHED"


def test_plots_that_are_drawn_after_the_end_are_waited_for_and_sent(tmp_path):
    book = Journal(tmp_path / "journal.jsonl")
    book.write("start", run_id="r")
    book.write("end", status="FINISHED", drawing=True)
    place = Cursor(tmp_path, TARGET)
    follower = Follower(place, store := Store(place))
    deliver(follower)
    assert follower.done and follower.drawing and store.sent == ["start", "end"]
    book.write("artifact", path="plots/curves.png")
    book.write("event", event=status.DRAWN)
    book.close()
    deliver(follower)
    assert follower.done and not follower.drawing and "plots/curves.png" in store.sent
