"""The delivery process and its helper: two send what many runs have left, and whatever becomes of one, nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainrun.tracking.delivery import state
from trainrun.tracking.record import Recorder

RUNS, EPOCHS = 24, 5


@pytest.fixture
def runs(tmp_path):
    """Runs that have ended, none of them sent."""
    folders = [tmp_path / str(i) for i in range(RUNS)]
    for folder in folders:
        folder.mkdir()
        recorder = Recorder(folder, {"name": "none"})
        recorder.start(run_id=folder.name, config={"optimizer": {"learning_rate": 0.1}})
        for epoch in range(1, EPOCHS + 1):
            recorder.journal.write("epoch", epoch=epoch, step=epoch, metrics={"loss": 1 / epoch})
        (folder / "report.html").write_text("<p>")
        recorder.artifacts([folder / "report.html"])
        recorder.end("FINISHED")
    return folders


def forked(pid):
    """Return the processes that were forked from one, and stay what it is: importing MLflow begins others."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if found:
        time.sleep(0.03)
    return [int(p) for p in found if b"tracking.deliver" in Path(f"/proc/{p}/cmdline").read_bytes()]


def delivered(runs, uri, at_helper=lambda pid: None):
    """Have runs delivered by a process of their own; return the helpers that it has begun."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trainrun.tracking.delivery.service", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # it gives way with the whole session: not with that of the tests
    )
    to = {"uri": uri, "experiment": "e", "run_name": None, "log_model": True, "log_artifacts": True,
          "interval": 0.1, "timeout": 60}  # fmt: skip
    said = [{"follow": str(r), **to} for r in runs] + [{"over": str(r)} for r in runs]
    process.stdin.write("".join(json.dumps(line) + "\n" for line in said).encode())
    process.stdin.close()
    helpers, until = [], time.monotonic() + 120
    while process.poll() is None:
        assert time.monotonic() < until
        found = []
        with contextlib.suppress(OSError):  # one of them has gone meanwhile
            found = forked(process.pid)
        for helper in set(found) - set(helpers):
            helpers.append(helper)
            at_helper(helper)
        time.sleep(0.005)
    assert process.wait(30) == 0
    return helpers


def assert_all_there(runs, uri):
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'e'")
    found = client.search_runs([experiment.experiment_id], max_results=100)
    assert len(found) == len(runs)
    assert {r.info.status for r in found} == {"FINISHED"}
    assert {r.data.tags["run_dir"] for r in found} == set(map(str, runs))
    for run in found:
        losses = client.get_metric_history(run.info.run_id, "loss")
        assert [(m.step, m.value) for m in losses] == [(e, 1 / e) for e in range(1, EPOCHS + 1)]
        assert {a.path for a in client.list_artifacts(run.info.run_id)} >= {"report.html"}
    assert {state.latest(r)["next"] for r in runs} == {EPOCHS + 3}


def test_many_runs_that_have_ended_are_sent_by_two(runs, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert len(delivered(runs, uri)) == 1
    assert_all_there(runs, uri)


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGTERM])
def test_a_helper_that_is_killed_loses_nothing_and_doubles_nothing(runs, tmp_path, signal_):
    def kill(pid):
        time.sleep(0.15)  # in the middle of its work
        os.kill(pid, signal_)

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert len(delivered(runs, uri, kill)) == 1
    assert_all_there(runs, uri)


def test_a_few_runs_are_sent_by_one(runs, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert delivered(runs[:15], uri) == []
    assert_all_there(runs[:15], uri)


def test_a_helper_that_hangs_is_given_up():
    script = """
import time
from trainrun.tracking import helper

class Job:
    finished = True
    def work(self): time.sleep(600)

helper.PATIENCE = helper.EACH = 0.2
one, begin = helper.Helper([Job(), Job()]), time.monotonic()
assert not one.over
while not one.over:
    time.sleep(0.01)
print(time.monotonic() - begin)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 0.5 < float(done.stdout) < 10.0


def test_without_room_for_a_helper_one_goes_on(monkeypatch):
    from types import SimpleNamespace

    from trainrun.tracking.delivery import service as deliver

    def refused(jobs):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(deliver, "Priority", lambda: SimpleNamespace(give_way=lambda whether: None))
    monkeypatch.setattr(deliver.helper, "Helper", refused)
    back = []
    service = deliver.Service(0, 1, os.getpid())
    service.jobs = {
        str(i): SimpleNamespace(
            lendable=True, over=True, finished=False, lend=lambda: True, take_back=lambda i=i: back.append(i)
        )
        for i in range(20)
    }
    service._share()
    assert back == [*range(1, 20, 2)]
    service._share()
    assert len(back) == 10, "it is not tried again"
