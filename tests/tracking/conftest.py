"""Servers shared by the tests of this folder, and a training process that needs no TensorFlow."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("servers", Path(__file__).parent.parent / "servers.py")
servers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(servers)

TRAINER = """
import json, os, sys, time
from trainrun.errors import TrainingError
from trainrun.util.interrupt import Interrupted, StopRequest
from trainrun.tracking.record import Recorder
from trainrun.tracking.settings import TrackingSettings

settings = json.loads(sys.argv[1])
recorder = Recorder(
    settings["run_dir"],
    TrackingSettings.of({"name": "mlflow", "interval": 0.1, "system_interval": None, **settings.get("tracking", {})}, settings.get("alert")),
    name="a run",
)
print("began", os.getpid(), flush=True)
recorder.start(
    run_id=os.path.basename(settings["run_dir"]), config=settings.get("config", {"optimizer": {"learning_rate": 0.1}}), seed=1,
    dataset={"name": "digits", "digest": "ab" * 32}, **settings.get("more", {}),
)
print("started", recorder.delivery and recorder.delivery.courier and recorder.delivery.courier.process_id, flush=True)
factor = settings.get("factor", 1.0)
try:
    with StopRequest().on_signals():
        for epoch in range(settings.get("first", 1), settings["epochs"] + 1):
            recorder.journal.write(
                "epoch", epoch=epoch, step=epoch * 10, metrics={"loss": factor / epoch, "val_loss": 2 * factor / epoch}
            )
            print("epoch", epoch, flush=True)
            time.sleep(settings.get("pace", 0.02))
        status, reason = "FINISHED", None
except Interrupted as stop:
    status, reason = "KILLED", str(stop)
if settings.get("fail"):
    status, reason = "FAILED", "RuntimeError: boom"
begin = time.monotonic()
recorder.artifacts(settings.get("artifacts", []))
ended = recorder.end(status, reason)
if status == "FINISHED" and ended.undelivered:
    from trainrun.tracking.delivery.handover import not_sent
    print("warning: " + not_sent(ended.undelivered, settings["run_dir"]), file=sys.stderr, flush=True)
print("ended", ended.undelivered, round(time.monotonic() - begin, 2), flush=True)
"""


class Trainer:
    """A process that records a run, and its output."""

    def __init__(self, run_dir, tracking, epochs=20, env=None, **more):
        import json

        self.run_dir = Path(run_dir)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        settings = {"run_dir": str(run_dir), "tracking": tracking, "epochs": epochs, **more}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRAINER, json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )
        self.output = ""
        self.delivery = int(self.until("started").split()[1].replace("None", "0"))

    def until(self, word):
        for line in self.process.stdout:
            self.output += line
            if line.startswith(word):
                return line
        raise AssertionError(f"never printed {word!r}: {self.process.stderr.read()}")

    def wait(self, timeout=90):
        """Wait for its end, and return (records not delivered, seconds it took to end, lines of warning)."""
        out, self.err = self.process.communicate(timeout=timeout)
        self.output += out
        assert self.process.returncode == 0, self.err
        _, undelivered, seconds = self.output.splitlines()[-1].split()
        return int(undelivered), float(seconds), self.err.splitlines()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        if not self.process.stdout.closed:
            self.process.communicate()


def gone(pid, within):
    """Wait until a process is gone; return whether it is."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """`mlflow server` on SQLite."""
    with servers.mlflow_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def on_postgres(tmp_path_factory):
    """(database, `mlflow server` on it)."""
    programs = servers.postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed, and cannot be from here: apt-get install postgresql")
    database = servers.Postgres(programs)
    try:
        database.create()
        with servers.mlflow_server(tmp_path_factory.mktemp("postgres"), database.uri) as running:
            yield database, running
    finally:
        database.remove()


@pytest.fixture
def proxy(server):
    """A faulty proxy before `server`."""
    running = servers.FaultyProxy(server.uri)
    yield running
    running.close()


@pytest.fixture
def trainer(tmp_path):
    """Start training processes, and leave none behind."""
    made = []

    def start(tracking, run="run", **more):
        one = Trainer(tmp_path / "outputs" / "runs" / run, tracking, **more)
        made.append(one)
        return one

    yield start
    for one in made:
        one.kill()
        if one.delivery and not gone(one.delivery, 0.1):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.delivery, signal.SIGKILL)
