"""Files of directories that may have been received: no pipe is waited for, no link is written through."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from trainrun.util import decimal_digits, paths


def test_a_file_that_replaces_another_is_not_written_through_a_link(tmp_path):
    precious, target = tmp_path / "precious", tmp_path / "summary.json"
    precious.write_text("mine")
    (tmp_path / f".summary.json.{os.getpid()}").symlink_to(precious)
    with paths.whole(target) as new:
        new.write_text("ours")
    assert (precious.read_text(), target.read_text(), target.is_symlink()) == ("mine", "ours", False)


def test_what_a_killed_process_left_unfinished_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, running = tmp_path / f".out.csv.{ended.pid}", tmp_path / f".out.csv.{os.getpid()}"
    other = tmp_path / f".out.csv.x{ended.pid}"
    for file in (left, running, other):
        file.write_text("half")
    (tmp_path / f".out.{ended.pid}").mkdir()
    paths.require_output(tmp_path / "out.csv")
    assert {file.name for file in tmp_path.iterdir()} == {running.name, other.name, f".out.{ended.pid}"}
    with paths.whole_folder(tmp_path / "out", "mark") as new:
        (new / "mark").write_text("")
    assert not (tmp_path / f".out.{ended.pid}").exists() and (tmp_path / "out" / "mark").exists()


def test_a_pipe_is_seen_below_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")
    assert paths.pipe_in(tmp_path) is None
    os.mkfifo(tmp_path / "a" / "training.csv")
    assert paths.pipe_in(tmp_path) == tmp_path / "a" / "training.csv"


@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "folder", "nothing"])
def test_what_is_no_file_is_an_error_at_once(path, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        paths.content(tmp_path / path)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("²", None), ("٣", None), ("-1", None), ("", None), ("9" * 5000, None)],
)
def test_digits_are_read_as_int_reads_them_or_not_at_all(text, number):
    assert decimal_digits.number(text) == number
