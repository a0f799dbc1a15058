"""A lock on a file: one holder, known by name, not passed on to children, not written through links."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from trainrun.util.file_lock import FileLock, in_words

HOLDER = """
import sys, time
from trainrun.util.file_lock import FileLock
lock = FileLock(sys.argv[1])
assert lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process, which holds the lock `tmp_path/lock`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_one_process_holds_it_until_it_ends_however_that_is(tmp_path, other):
    lock = FileLock(tmp_path / "lock")
    assert lock.held and not lock.acquire() and in_words(lock.holder).startswith(f"process {other.pid} on ")
    other.kill()
    other.wait()
    assert not lock.held and lock.acquire()
    assert lock.holder["pid"] == os.getpid() and not FileLock(lock.path).acquire()
    lock.release()
    assert lock.holder == {} and in_words(lock.holder) == "another process"


def test_a_forked_child_of_a_plug_in_does_not_inherit_it(tmp_path):
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # it outlives the lock
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        lock.release()
        assert FileLock(lock.path).acquire()
    finally:
        os.close(write)
        os.close(read)
        os.waitpid(child, 0)


def test_a_process_that_was_declared_gone_sees_that_it_has_lost_it(tmp_path):
    lock, heir = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.acquire() and lock.owned
    assert heir.acquire(take_over=True)
    assert heir.owned and not lock.owned
    lock.release()  # takes nothing from the heir
    assert heir.owned and heir.holder["pid"] == os.getpid()


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        FileLock(tmp_path / "lock").acquire()
    assert (tmp_path / "precious").read_text() == "mine"
