"""The right to train a run: named, refused while another process has it, and given up for lost after a time of silence."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest

from trainrun.errors import UserError
from trainrun.tracking import lease
from trainrun.util import liveness

ELSEWHERE = {**liveness.identity(), "host": "pod-a", "process": "another boot/1"}
NEIGHBOUR = {
    **liveness.identity(),
    "host": "pod-b",
    "pid_namespace": "pid:[1]",
}  # a container of this machine


def left(run_dir, holder, silent=0.0):
    """Leave the lock of a holder that was killed, its last heartbeat some seconds ago."""
    path = run_dir / lease.TRAINING
    path.write_text(json.dumps(holder))
    os.utime(path, (time.time() - silent,) * 2)


def test_a_second_process_is_refused_and_the_first_is_named(tmp_path):
    with (
        lease.held(tmp_path),
        pytest.raises(UserError, match=f"trained by process {os.getpid()} on"),
        lease.held(tmp_path),
    ):
        pass
    with lease.held(tmp_path):  # it was given back
        assert lease.alive(tmp_path) is True
    assert lease.alive(tmp_path) is False


@pytest.mark.parametrize(
    ("holder", "silent", "alive"),
    [
        (ELSEWHERE, 0.0, None),
        (ELSEWHERE, lease.EXPIRY_S + 5, False),
        (ELSEWHERE, -1e9, False),  # a time in the future, which a received file may have
        (NEIGHBOUR, 0.0, False),  # all containers of a machine see one another's locks
        (None, 0.0, False),
    ],
)
def test_a_process_that_cannot_be_seen_counts_as_gone_after_a_time_of_silence(
    tmp_path, holder, silent, alive
):
    left(tmp_path, holder or {}, silent)
    start = {**(holder or ELSEWHERE), "kind": "start"}
    assert lease.alive(tmp_path, start) is alive
    assert lease.refusal(tmp_path, start) is None  # it is waited for
    with lease.held(tmp_path, take_over=alive is None):
        assert lease.alive(tmp_path) is True and lease.alive(tmp_path, start) is False


@pytest.mark.parametrize("sign_of_life", [False, True])
def test_a_process_that_cannot_be_seen_is_waited_for_with_a_word_and_an_end(
    tmp_path, monkeypatch, capsys, sign_of_life
):
    monkeypatch.setattr(lease, "POLL_INTERVAL_S", 0.05)
    left(tmp_path, ELSEWHERE, lease.EXPIRY_S - 0.3)
    if sign_of_life:
        timer = threading.Timer(0.1, os.utime, [tmp_path / lease.TRAINING])
        timer.start()
        with pytest.raises(UserError, match=r"by process .* on pod-a.*--take-over"), lease.held(tmp_path):
            pass
        timer.join()
    else:
        with lease.held(tmp_path):
            pass
    assert "counts as dead" in capsys.readouterr().out
