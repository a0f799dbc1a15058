"""The replay: everything, in order, once, and never in training's way."""

from __future__ import annotations

import threading
import time

import pytest

from trainrun.tracking import journal
from trainrun.tracking.journal import Journal
from trainrun.tracking.replay import Replay


class Memory:
    def __init__(self, fail_at=None, delay=0.0, hold=None):
        self.records, self.calls = [], 0
        self.fail_at, self.delay, self.hold = fail_at, delay, hold

    def deliver(self, records):
        self.calls += 1
        if self.hold is not None:
            self.hold.wait()
        time.sleep(self.delay)
        if self.fail_at is not None and self.calls >= self.fail_at:
            raise ConnectionError("server\nhttp://me:secret@host is down")
        self.records += records


@pytest.fixture
def book(tmp_path):
    book = Journal(tmp_path / "journal.jsonl")
    yield book
    book.close()


def begin(book, sink, warnings, interval=0.01):
    replay = Replay(book.path, sink, warnings.append, interval)
    book.listener = replay.notify
    replay.start()
    return replay


def test_delivers_everything_once_and_in_order(book):
    sink, warnings = Memory(), []
    replay = begin(book, sink, warnings)
    for i in range(300):
        book.write("epoch", epoch=i)
        if i % 50 == 0:
            time.sleep(0.01)
    assert replay.close(10) == 0
    assert [r["seq"] for r in sink.records] == list(range(300))
    assert sink.calls < 60  # in batches
    assert warnings == []


def test_what_the_sink_itself_writes_is_delivered_too(book):
    class Writing(Memory):
        def deliver(self, records):
            super().deliver(records)
            if records[0]["kind"] == "start":
                book.write("event", event="tracking")

    sink = Writing()
    replay = begin(book, sink, [])
    book.write("start")
    book.write("end")
    assert replay.close(10) == 0
    assert sorted(r["kind"] for r in sink.records) == ["end", "event", "start"]


def test_a_failing_sink_gives_one_warning_and_leaves_the_journal_whole(book):
    sink, warnings = Memory(fail_at=2), []
    replay = begin(book, sink, warnings)
    book.write("start")
    while sink.calls < 1:
        time.sleep(0.005)
    for i in range(20):
        book.write("epoch", epoch=i)
        time.sleep(0.002)
    assert replay.close(10) == 20
    assert len(warnings) == 1
    assert "secret" not in warnings[0]
    assert "\n" not in warnings[0]
    assert len(journal.read(book.path).records) == 21


def test_writing_never_waits_for_a_slow_sink(book):
    hold = threading.Event()
    sink, warnings = Memory(hold=hold), []
    replay = begin(book, sink, warnings)
    start = time.perf_counter()
    for i in range(100):
        book.write("epoch", epoch=i)
    assert time.perf_counter() - start < 1
    assert replay.close(0.1) == 100
    hold.set()


def test_passes_over_a_damaged_line(book):
    book.write("start")
    with open(book.path, "ab") as file:
        file.write(b"nonsense\n")
    book.write("end")
    sink = Memory()
    assert begin(book, sink, []).close(10) == 0
    assert [r["kind"] for r in sink.records] == ["start", "end"]


def test_begins_where_it_is_told(book):
    for _ in range(5):
        book.write("epoch")
    sink = Memory()
    replay = Replay(book.path, sink, lambda text: None, 0.01, skip=3)
    replay.start()
    assert replay.close(10) == 0
    assert [r["seq"] for r in sink.records] == [3, 4]


def test_leaves_the_first_step_to_itself_until_a_second_record_comes(book):
    sink = Memory()
    replay = Replay(book.path, sink, lambda text: None, 0.01, hold=60)
    book.listener = replay.notify
    book.write("start")
    replay.start()
    time.sleep(0.1)
    assert sink.calls == 0
    book.write("epoch")
    for _ in range(500):
        if len(sink.records) == 2:
            break
        time.sleep(0.01)
    assert len(sink.records) == 2
    assert replay.close(10) == 0


@pytest.mark.parametrize("action", ["hurry", "close"])
def test_holds_nothing_back_from_who_waits(book, action):
    sink = Memory()
    replay = Replay(book.path, sink, lambda text: None, 0.01, hold=60)
    book.write("start")
    replay.start()
    if action == "hurry":
        replay.hurry()
    assert replay.close(10) == 0
    assert len(sink.records) == 1
