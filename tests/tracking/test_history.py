"""What a journal says: each epoch once; what became of the run; and which value of a metric was the first."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys

import pytest

from trainrun.tracking import history, journal, summary
from trainrun.tracking.delivery import state
from trainrun.tracking.delivery.handover import not_sent
from trainrun.tracking.delivery.state import Cursor, Target
from trainrun.tracking.journal import Journal
from trainrun.tracking.record import Recorder
from trainrun.tracking.status import mark_killed, read, settle
from trainrun.util.file_lock import FileLock

DEAD = {"host": platform.node(), "pid": 2**22 + 1, "process": None}


def book(path, *records):
    written = Journal(path / "journal.jsonl")
    for kind, fields in records:
        written.write(kind, **fields)
    written.close()
    return journal.read(path / "journal.jsonl").records


def epoch(number, loss, **more):
    return "epoch", {"epoch": number, "step": 10 * number, "metrics": {"loss": loss}, **more}


RESUMED = [
    ("start", {**DEAD, "run_id": "r"}),
    epoch(1, 0.5),
    epoch(2, 0.4),
    epoch(3, 0.3),
    ("end", {"status": "KILLED"}),
    ("start", {**DEAD, "resumed_from": {"epoch": 1, "step": 0, "updates": 10, "checkpoint": "last.npz"}}),
    epoch(2, 0.41),
]


def test_epochs_of_a_later_attempt_replace_those_of_an_earlier_one(tmp_path):
    past = history.replay(book(tmp_path, *RESUMED))
    assert past["history"] == {"loss": [0.5, 0.41]}
    assert list(past["epochs"]) == [1, 2]
    assert (len(past["attempts"]), past["end"], past["step"]) == (2, None, 20)
    assert past["metrics"] == {"loss": 0.41}


def test_final_metrics_come_over_those_of_the_epochs(tmp_path):
    records = book(
        tmp_path,
        *RESUMED[:4],
        ("metrics", {"epoch": 3, "metrics": {"test_loss": 0.9}}),
        ("end", {"status": "FINISHED"}),
    )
    past = history.replay(records)
    assert past["metrics"] == {"loss": 0.3, "test_loss": 0.9}
    assert past["end"]["status"] == "FINISHED"


def test_of_a_metric_done_again_the_first_value_is_passed_on_and_a_difference_is_noted(tmp_path):
    records = book(tmp_path, *RESUMED, epoch(3, 0.3), epoch(4, 0.2))
    once, passed = history.Once(), []
    for i, record in enumerate(records):
        if record["kind"] == "start":
            once.begin(record, records[:i])
        elif record["kind"] == "epoch":
            passed.append((record["epoch"], once.only_new(record)["metrics"]))
    assert passed == [
        (1, {"loss": 0.5}),
        (2, {"loss": 0.4}),
        (3, {"loss": 0.3}),
        (2, {}),
        (3, {}),
        (4, {"loss": 0.2}),
    ]
    assert (once.attempt, once.differing) == (1, ["loss at 2: 0.4, again 0.41"])


def test_metrics_of_the_trained_model_are_passed_on_once_however_often_it_is_evaluated(tmp_path):
    tested = ("metrics", {"epoch": 3, "metrics": {"test_loss": 0.9}})
    again = ("start", {**DEAD, "resumed_from": {"epoch": 3, "step": 0, "updates": 30}})
    records = book(tmp_path, *RESUMED[:4], tested, again, tested, again, tested)
    once, passed = history.Once(), []
    for i, record in enumerate(records):
        if record["kind"] == "start":
            once.begin(record, records[:i])
        elif record["kind"] == "metrics":
            passed.append(once.only_new(record)["metrics"])
    assert passed == [{"test_loss": 0.9}, {}, {}]
    assert history.replay(records)["metrics"] == {"loss": 0.3, "test_loss": 0.9}


def test_steps_beyond_the_checkpoint_count_by_updates(tmp_path):
    at = {"epoch": 1, "step": 5, "updates": 15}
    batch = {"kind": "batch", "epoch": 2, "metrics": {}}
    assert history.superseded({**batch, "step": 16}, at)
    assert not history.superseded({**batch, "step": 15}, at)
    assert not history.superseded({"kind": "event"}, at)
    assert not history.superseded({"kind": "epoch", "epoch": 9}, None)


# What became of a run.


def test_run_of_a_dead_process_is_marked_as_killed_on_listing(tmp_path):
    book(tmp_path, ("start", {**DEAD, "run_id": "r", "seed": 3, "overrides": ["a=1"]}), epoch(1, 0.5))
    (tmp_path / "run.log").write_text("\n".join(f"line {i}" for i in range(50)))
    now = read(tmp_path)
    assert (now.status, now.end, now.epochs) == ("KILLED", None, 1)
    assert now.metrics == {"loss": 0.5}
    settled = settle(tmp_path)
    assert settled.status == "KILLED" and settled.end is not None
    records = journal.read(tmp_path / "journal.jsonl").records
    assert [r["seq"] for r in records] == [0, 1, 2]
    assert (records[-1]["status"], records[-1]["log"][-1]) == ("KILLED", "line 49")
    past = summary.read(tmp_path)
    assert (past["status"], past["epochs"], past["seed"], past["overrides"]) == ("KILLED", 1, 3, ["a=1"])
    settle(tmp_path)
    assert len(journal.read(tmp_path / "journal.jsonl").records) == 3


def test_finished_summary_of_a_killed_run_is_corrected(tmp_path):
    book(tmp_path, ("start", {**DEAD, "run_id": "r"}), epoch(1, 0.5))
    summary.write(
        tmp_path, summary.build(run_id="r", status="FINISHED", seed=1, epochs=1, metrics={"test_loss": 1.0})
    )
    settle(tmp_path)
    assert (summary.read(tmp_path)["status"], summary.read(tmp_path)["metrics"]) == (
        "KILLED",
        {"test_loss": 1.0},
    )


def test_an_end_that_was_written_stays(tmp_path):
    book(tmp_path, ("start", {**DEAD, "run_id": "r"}), ("end", {"status": "FINISHED"}))
    assert mark_killed(tmp_path, "why").status == "FINISHED"


def test_a_run_that_was_resumed_and_killed_has_a_summary_of_what_it_came_to(tmp_path):
    book(tmp_path, ("start", {**DEAD, "run_id": "r"}), epoch(1, 0.5), ("end", {"status": "FINISHED"}),
         ("start", {**DEAD, "resumed_from": {"epoch": 1}}), epoch(2, 0.4))  # fmt: skip
    summary.write(
        tmp_path,
        summary.build(run_id="r", status="FINISHED", seed=1, epochs=1, parameters=9, weights_sha256="ab"),
    )
    settle(tmp_path)
    past = summary.read(tmp_path)
    assert (past["status"], past["epochs"], past["parameters"]) == ("KILLED", 2, 9)
    assert (past["metrics"], past["weights_sha256"]) == ({"loss": 0.4}, None)


def test_marking_one_attempt_as_killed_leaves_a_newer_attempt_alone(tmp_path):
    recorder = Recorder(tmp_path)
    recorder.start(run_id="r", config={})
    recorder.journal.close()
    assert mark_killed(tmp_path, "why", dead=2**22 + 1).status == "RUNNING"
    assert mark_killed(tmp_path, "why", dead=os.getpid()).status == "KILLED"


def test_a_living_run_and_one_of_another_machine_are_left_alone(tmp_path):
    for name, fields in {"mine": {}, "theirs": {"host": "elsewhere"}}.items():
        folder = tmp_path / name
        folder.mkdir()
        recorder = Recorder(folder)
        recorder.start(run_id="r", config={})
        recorder.journal.close()
        path = folder / "journal.jsonl"
        record = {**json.loads(path.read_text()), **fields}
        path.write_text(json.dumps(record) + "\n")
        assert settle(folder).status == "RUNNING"
        assert len(path.read_text().splitlines()) == 1


def test_zombie_process_counts_as_dead(tmp_path):
    code = "from trainrun.tracking.record import Recorder; Recorder('.').start(run_id='r', config={})"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still in the table of processes
    try:
        assert read(tmp_path).status == "KILLED"
    finally:
        child.wait()


def test_run_with_a_live_delivery_process_is_left_alone(tmp_path):
    book(tmp_path, ("start", {**DEAD, "run_id": "r"}))
    lock = FileLock(tmp_path / state.LOCK)
    assert lock.acquire()
    assert (settle(tmp_path).status, settle(tmp_path).end) == ("KILLED", None)
    lock.release()
    assert settle(tmp_path).end is not None


@pytest.mark.parametrize("content", [None, "", "nonsense\n"])
def test_directory_without_records_has_status_unknown(tmp_path, content):
    if content is not None:
        (tmp_path / "journal.jsonl").write_text(content)
    assert read(tmp_path).status == settle(tmp_path).status == "UNKNOWN"


# The file that says how much is delivered.


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"deliveries": 3}',
        '{"deliveries": [{}]}',
        '{"deliveries": [[]]}',
        "\0\0",
        "[" * 100_000,
    ],
)
def test_a_damaged_cursor_counts_as_none(tmp_path, text):
    (tmp_path / state.FILE).write_text(text)
    assert state.read(tmp_path) == []
    assert Cursor(tmp_path, Target("mlflow", "http://host", "e")).next == 0


def test_each_store_has_its_own_place_and_the_latest_comes_last(tmp_path):
    one, other = Target("mlflow", "http://me:hunter2@one", "e"), Target("mlflow", "http://other", "e")
    for target, count in ((one, 5), (other, 7), (one, 9)):
        place = Cursor(tmp_path, target)
        place.next = count
        place.save()
    assert "hunter2" not in (tmp_path / state.FILE).read_text()
    assert [e["next"] for e in state.read(tmp_path)] == [7, 9]
    assert Cursor(tmp_path, other).next == 7
    assert state.unsent(state.latest(tmp_path)[-1], 12) == 3
    assert state.unsent({"next": 12, "left": {"3": "why"}}, 12) == 1


def test_line_about_unsent_records(inside):
    assert not_sent(1, inside / "a b") == "1 record not yet sent: trainrun sync 'a b'"
    assert not_sent(3, "x") == "3 records not yet sent: trainrun sync x"


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), (True, 1.0), (10**400, math.inf), (-(10**400), -math.inf), ("1", None), (None, None)],
)
def test_a_metric_is_a_float_or_none(value, number):
    assert history.number(value) == number
