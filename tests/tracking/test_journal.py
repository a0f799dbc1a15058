"""The journal: strict JSON, exact numbers, whole after a crash."""

from __future__ import annotations

import json
import math
import threading

import numpy as np
import pytest

from trainrun.tracking import journal
from trainrun.tracking.journal import Journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def write(path, *records):
    book = Journal(path)
    for kind, fields in records:
        book.write(kind, **fields)
    book.close()


def test_numbers_its_records_without_gaps_and_reads_them_back(path):
    write(
        path, ("start", {"config": {"a": [1, None, "x"]}}), ("epoch", {"epoch": 1, "metrics": {"loss": 0.1}})
    )
    contents = journal.read(path)
    assert contents.damage == []
    assert [r["seq"] for r in contents.records] == [0, 1]
    assert contents.records[0]["config"] == {"a": [1, None, "x"]}
    assert contents.records[1]["metrics"] == {"loss": 0.1}
    assert contents.records[0]["time"] <= contents.records[1]["time"]


def test_is_strict_json_even_with_nan_and_infinity(path):
    values = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": [1.0, math.nan], "e": np.float32("nan")}
    write(path, ("epoch", {"values": values}))

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    json.loads(path.read_text(), parse_constant=refuse)
    back = journal.read(path).records[0]["values"]
    assert math.isnan(back["a"])
    assert (back["b"], back["c"]) == (math.inf, -math.inf)
    assert back["d"][0] == 1.0
    assert math.isnan(back["d"][1])
    assert math.isnan(back["e"])


@pytest.mark.parametrize("value", [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 2**70, 1e22])
def test_numbers_come_back_to_the_last_bit(path, value):
    write(path, ("epoch", {"metrics": {"x": value}}))
    back = journal.read(path).records[0]["metrics"]["x"]
    assert back == value
    assert math.copysign(1, back) == math.copysign(1, value)


@pytest.mark.parametrize(
    "value",
    [
        "nan",
        "NaN",
        {"$float": "nan"},
        {"$$float": 1},
        {"$ref": [{"$": math.inf}]},
        "\ud800 line\u2028 end\n",
        "",
    ],
)
def test_texts_and_keys_that_look_like_its_own_come_back_as_they_were(path, value):
    write(path, ("event", {"value": value}))
    assert journal.read(path).records[0]["value"] == value


def test_takes_numpy(path):
    write(path, ("event", {"a": np.float64(0.5), "b": np.int64(3), "c": np.arange(3), "d": np.bool_(True)}))
    record = journal.read(path).records[0]
    assert (record["a"], record["b"], record["c"], record["d"]) == (0.5, 3, [0, 1, 2], True)


def test_goes_on_numbering_when_opened_again(path):
    write(path, ("start", {}), ("epoch", {}))
    write(path, ("epoch", {}))
    assert [r["seq"] for r in journal.read(path).records] == [0, 1, 2]


def test_a_last_line_cut_short_is_reported_and_the_rest_read(path):
    write(path, ("start", {}), ("epoch", {"epoch": 1}))
    path.write_bytes(path.read_bytes()[:-9])
    contents = journal.read(path)
    assert [r["kind"] for r in contents.records] == ["start"]
    assert contents.damage == ["line 2 was cut short"]


def test_opening_a_torn_journal_keeps_the_torn_text_as_an_event(path):
    write(path, ("start", {}), ("epoch", {"epoch": 1}))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    book = Journal(path)
    assert book.damage == ["its last line was cut short"]
    book.write("epoch", epoch=2)
    book.close()
    contents = journal.read(path)
    assert contents.damage == []
    assert [r["kind"] for r in contents.records] == ["start", "event", "epoch"]
    assert [r["seq"] for r in contents.records] == [0, 1, 2]
    assert contents.records[1]["text"].encode() == whole.splitlines()[1][:-8]


def test_a_line_that_lost_only_its_end_is_kept(path):
    write(path, ("start", {}), ("epoch", {"epoch": 1}))
    path.write_bytes(path.read_bytes()[:-1])
    write(path, ("epoch", {"epoch": 2}))
    assert [r["seq"] for r in journal.read(path).records] == [0, 1, 2]


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_journal_cut_at_any_byte_can_be_continued(path, cut):
    write(path, ("start", {"x": "é" * 10}), ("epoch", {"metrics": {"loss": math.nan}}))
    path.write_bytes(path.read_bytes()[:cut])
    write(path, ("end", {"status": "FINISHED"}))
    contents = journal.read(path)
    assert contents.damage == []
    assert contents.records[-1]["status"] == "FINISHED"


@pytest.mark.parametrize("line", [b"[1]", b"nonsense", b"NaN", b"\xff\xfe", b'{"seq": 1}', b"[" * 100_000])
def test_a_damaged_line_in_the_middle_is_named_and_left_out(path, line):
    write(path, ("start", {}))
    path.write_bytes(path.read_bytes() + line + b"\n")
    write(path, ("end", {}))
    contents = journal.read(path)
    assert [r["kind"] for r in contents.records] == ["start", "end"]
    assert contents.damage == ["line 2 is no record"]


def test_each_record_has_left_the_process_when_write_returns(path):
    book = Journal(path)
    book.write("start")
    assert len(journal.read(path).records) == 1
    book.close()


def test_several_threads_write_whole_lines(path):
    book = Journal(path)
    threads = [
        threading.Thread(target=lambda: [book.write("event", text="x" * 500) for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book.close()
    assert [r["seq"] for r in journal.read(path).records] == list(range(200))


@pytest.mark.parametrize(
    "fields",
    [{"epoch": "1"}, {"epoch": True}, {"step": 2**70}, {"metrics": [1]}, {"overrides": "a=b"}, {"config": []},
     {"time": "now"}, {"time": None}, {"seq": None}],
)  # fmt: skip
def test_a_record_whose_fields_have_other_types_is_damaged(path, fields):
    path.write_text(journal.encode({"seq": 0, "time": 1.0, "kind": "epoch", **fields}) + "\n")
    assert journal.read(path) == ([], ["line 1 is no record"])


def test_metrics_are_numbers_and_one_beyond_every_float_is_infinite(path):
    path.write_text(
        journal.encode(
            {
                "seq": 0,
                "time": 1.0,
                "kind": "epoch",
                "metrics": {"text": "x", "large": 10**400, "least": -(10**400), "loss": 0.5},
            }
        )
        + "\n"
    )
    assert journal.read(path).records[0]["metrics"] == {"large": math.inf, "least": -math.inf, "loss": 0.5}
