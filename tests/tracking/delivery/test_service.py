"""Delivery against real servers: killed and restarted, slow, refusing, forgetting. Nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainrun.cli import main
from trainrun.tracking import journal, status
from trainrun.tracking.delivery import state
from trainrun.tracking.record import Recorder
from trainrun.util import liveness
from trainrun.util.file_lock import FileLock

SECRET = "hunter2"


@pytest.fixture
def tools(request):

    return next(m for n, m in sys.modules.items() if n.endswith("conftest") and hasattr(m, "Trainer"))


def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(uri)


def records(run_dir):
    return journal.read(Path(run_dir) / "journal.jsonl").records


def mlflow_runs(uri, run_dir):
    """Return all MLflow runs of a run directory, however many."""
    c = client(uri)
    experiments = [e.experiment_id for e in c.search_experiments()]
    return c.search_runs(experiments, f"tags.run_dir = '{run_dir}'")


def the_run(uri, run_dir, epoch):
    """Wait until MLflow has so many epochs of a run, and return it."""
    for _ in range(300):
        runs = mlflow_runs(uri, run_dir)
        if runs and runs[0].data.metrics.get("step", 0) >= 10 * epoch:
            return runs[0]
        time.sleep(0.2)
    raise AssertionError(f"MLflow never had epoch {epoch}")


def warned(run_dir, wait=0.0):
    """Return whether the delivery process has warned that the server accepts no records; `wait` seconds for it."""
    until = time.monotonic() + wait
    while True:
        log = Path(run_dir) / status.LOG
        if log.is_file() and "accepts no records" in log.read_text():
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.1)


def assert_all_there(uri, run_dir, word="FINISHED", left=0):
    """Hold MLflow against the journal: every value once, with its step and time. Return the MLflow run.

    `left`: how many records it will never take.
    """
    (run,) = mlflow_runs(uri, run_dir)
    assert run.info.status == word
    book = records(run_dir)
    for name in ("loss", "val_loss"):
        written = [
            (r["epoch"], r["metrics"][name], int(r["time"] * 1000)) for r in book if r["kind"] == "epoch"
        ]
        history = client(uri).get_metric_history(run.info.run_id, name)
        assert sorted((m.step, m.value, m.timestamp) for m in history) == sorted(written)
    assert run.info.start_time == int(book[0]["time"] * 1000)
    assert run.data.params["optimizer.learning_rate"] == "0.1"
    assert len(run.inputs.dataset_inputs) == 1
    (entry,) = state.latest(run_dir)
    assert (entry["next"], len(entry.get("left") or ())) == (len(book), left)
    assert state.unsent(entry, len(book)) == left
    return run


# Servers that die.


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_server_killed_in_the_middle_and_restarted_has_everything_once(kind, request, trainer):
    fixture = request.getfixturevalue("server" if kind == "sqlite" else "on_postgres")
    database, server = (None, fixture) if kind == "sqlite" else fixture
    one = trainer({"uri": server.uri, "timeout": 60}, epochs=100_000, pace=0.05)
    the_run(server.uri, one.run_dir, epoch=5)
    server.kill()
    if database is not None:
        database.stop()
    assert warned(one.run_dir, wait=60)
    if database is not None:
        database.start()
    server.start()
    if database is not None:  # and then a database that dies under its server
        done = records(one.run_dir)[-1]["epoch"]
        the_run(server.uri, one.run_dir, epoch=done)
        database.stop()
        time.sleep(3)
        database.start()
    one.process.send_signal(signal.SIGTERM)
    undelivered, _, warnings = one.wait()
    assert undelivered == 0
    assert len(warnings) == 1 and "accepts no records" in warnings[0]
    assert_all_there(server.uri, one.run_dir, "KILLED")


def test_a_server_that_is_down_costs_one_warning_and_sync_delivers_with_true_times(
    server, trainer, proxy, tools, capsys
):
    proxy.close()
    began = time.time()
    one = trainer({"uri": proxy.uri, "timeout": 60})
    undelivered, seconds, warnings = one.wait()
    assert undelivered == len(records(one.run_dir)) == 22
    assert seconds < 30, "waits for a server of which it is known that it is down"
    assert len(warnings) == 2
    assert f"{proxy.uri} accepts no records (Connection refused)" in warnings[0]
    assert warnings[1].startswith("warning: 22 records not yet sent: trainrun sync ")
    assert tools.gone(one.delivery, 30)
    later = time.time()
    assert main(["sync", str(one.run_dir), "--uri", server.uri]) == 0
    assert "22 records sent" in capsys.readouterr().out
    run = assert_all_there(server.uri, one.run_dir)
    assert began * 1000 - 1 <= run.info.start_time <= run.info.end_time <= later * 1000


# Servers that answer, but how.


def test_every_record_is_delivered_once_by_a_faulty_server(server, proxy, trainer):
    proxy.fault, proxy.delay = "slow", 0.5
    one = trainer({"uri": proxy.uri, "timeout": 60}, epochs=100_000, pace=0.05)

    def until(requests):
        requests += proxy.requests
        while proxy.requests < requests:
            one.until("epoch")

    until(5)
    proxy.fault = None
    assert not warned(one.run_dir), "slow is not faulty"
    proxy.share = 0.2
    for fault in (500, "reset", "lost"):
        proxy.fault = fault
        until(10)
    # Where it is a matter of luck, two failures in a row are said; but then nothing more of this server.
    proxy.fault, proxy.share = 401, 1
    until(1)
    assert warned(one.run_dir, wait=60)
    proxy.fault = None
    one.process.send_signal(signal.SIGTERM)
    undelivered, _, warnings = one.wait()
    assert undelivered == 0, warnings
    assert len(warnings) == 1, warnings
    assert_all_there(server.uri, one.run_dir, "KILLED")


def test_training_does_not_wait_for_a_server_that_never_answers_and_a_resumed_run_sends_it_all(
    server, proxy, trainer, tools
):
    proxy.fault = "silent"
    one = trainer({"uri": proxy.uri, "timeout": 1.5}, epochs=20)
    undelivered, seconds, warnings = one.wait()
    assert (undelivered, len(warnings)) == (22, 1)
    assert seconds < 10
    # Nor does whoever reads the training process' output: `wait` has come back, and the other may still try.
    assert tools.gone(one.delivery, 30)
    proxy.fault = None
    again = trainer(
        {"uri": proxy.uri},
        epochs=30,
        first=21,
        more={"resumed_from": {"epoch": 20, "step": 0, "updates": 200}},
    )
    assert again.wait()[0] == 0
    assert_all_there(server.uri, one.run_dir)


def test_a_failed_run_that_the_server_has_lost_is_recorded_anew_with_the_reason_and_the_last_lines_of_its_log(
    server, trainer
):
    one = trainer({"uri": server.uri}, epochs=100_000, pace=0.05, fail=True)
    (one.run_dir / "run.log").write_text("Traceback\nRuntimeError: boom\n")
    before = the_run(server.uri, one.run_dir, epoch=10)
    with sqlite3.connect(server.folder / "server.db", timeout=20) as database:
        for table in ("latest_metrics", "metrics", "params", "tags", "runs"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", [before.info.run_id])
    one.process.send_signal(signal.SIGTERM)
    undelivered, _, warnings = one.wait()
    assert undelivered == 0
    assert len(warnings) == 1 and "sent again from the beginning" in warnings[0]
    run = assert_all_there(server.uri, one.run_dir, "FAILED")
    assert run.info.run_id != before.info.run_id
    assert run.data.tags["trainrun.reason"] == "RuntimeError: boom"
    assert "Traceback" in run.data.tags["trainrun.log"]


def test_a_finished_run_that_the_server_has_lost_is_sent_again_when_it_is_named(inside, capsys):
    recorder = Recorder(inside)
    recorder.start(
        run_id="r", config={"optimizer": {"learning_rate": 0.1}}, dataset={"name": "d", "digest": "e"}
    )
    recorder.end("FINISHED")
    uri = f"sqlite:///{inside}/mlflow.db"
    for message in ("2 records sent", "everything is delivered", "has lost MLflow run"):
        assert main(["sync", str(inside)]) == 0
        assert message in capsys.readouterr().out
        if message.startswith("everything"):
            with sqlite3.connect(inside / "mlflow.db", timeout=20) as database:
                for table in ("params", "tags", "runs"):
                    database.execute(f"DELETE FROM {table}")
    assert len(mlflow_runs(uri, inside)) == 1


def test_run_deleted_on_the_server_stays_deleted_until_sync_names_it(server, trainer, capsys):
    one = trainer({"uri": server.uri}, epochs=100_000, pace=0.03)
    before = the_run(server.uri, one.run_dir, epoch=10)
    client(server.uri).delete_run(before.info.run_id)
    one.process.send_signal(signal.SIGTERM)
    undelivered, seconds, warnings = one.wait()
    assert undelivered > 0 and seconds < 10
    assert "was deleted" in warnings[0] and len(warnings) == 2
    assert main(["sync", "--all", "--outputs", str(one.run_dir.parents[1])]) == 0
    assert mlflow_runs(server.uri, one.run_dir) == []
    assert main(["sync", str(one.run_dir)]) == 0
    assert assert_all_there(server.uri, one.run_dir, "KILLED").info.run_id != before.info.run_id


def test_eight_runs_at_once_in_a_local_database(tmp_path, trainer):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    many = [trainer({"uri": uri, "timeout": 100}, run=f"run{i}", epochs=15) for i in range(8)]
    for one in many:
        assert one.wait(150)[0] == 0
    for one in many:
        assert_all_there(uri, one.run_dir)


# Processes that die.


def test_a_training_process_that_is_killed_leaves_a_true_record_and_resumed_goes_on_in_it(
    server, trainer, tools
):
    one = trainer({"uri": server.uri}, epochs=100_000, pace=0.02)
    (one.run_dir / "run.log").write_text(f"first\nhttp://me:{SECRET}@host\nlast words\n")
    one.until("epoch 30")
    one.kill()
    assert tools.gone(one.delivery, 30), "the delivery process has outlived its work"
    end = records(one.run_dir)[-1]
    assert (end["kind"], end["status"]) == ("end", "KILLED")
    assert "SIGKILL" in end["reason"] and end["log"][-1] == "last words" and SECRET not in str(end)
    first = assert_all_there(server.uri, one.run_dir, "KILLED")
    assert first.data.tags["trainrun.status"] == "KILLED"
    assert "last words" in first.data.tags["trainrun.log"]
    summary = json.loads((one.run_dir / "summary.json").read_text())
    assert (summary["status"], summary["epochs"]) == ("KILLED", len(records(one.run_dir)) - 2)
    assert summary["mlflow"]["run_id"] == first.info.run_id
    assert summary["best"]["loss"]["epoch"] == summary["epochs"]

    # It goes on in its MLflow run, and sends nothing twice.
    done = max(r["epoch"] for r in records(one.run_dir) if r["kind"] == "epoch")
    again = trainer(
        {"uri": server.uri},
        epochs=100_000,
        pace=0.1,
        first=11,
        factor=1.5,
        config={"optimizer": {"learning_rate": 0.05}, "new": 1},
        more={"resumed_from": {"epoch": 10, "step": 0, "updates": 100, "checkpoint": "last.npz"}},
    )
    the_run(server.uri, one.run_dir, epoch=done + 1)
    assert client(server.uri).get_run(first.info.run_id).info.status == "RUNNING"
    again.process.send_signal(signal.SIGTERM)
    undelivered, _, warnings = again.wait()
    assert (undelivered, warnings) == (0, [])
    last = max(r["epoch"] for r in records(one.run_dir) if r["kind"] == "epoch")
    (run,) = mlflow_runs(server.uri, one.run_dir)
    assert (run.info.run_id, run.info.status) == (first.info.run_id, "KILLED")
    history = client(server.uri).get_metric_history(run.info.run_id, "loss")
    assert sorted(m.step for m in history) == list(range(1, last + 1))
    assert {m.step: m.value for m in history}[done] == 1 / done
    assert {m.step: m.value for m in history}[done + 1] == 1.5 / (done + 1)
    tags, params = run.data.tags, run.data.params
    assert (params["optimizer.learning_rate"], params["new"]) == ("0.1", "1")
    assert tags["trainrun.resume.1"] == "from epoch 10; optimizer.learning_rate=0.05"
    assert "loss at 11" in tags["trainrun.resume.1.differs"]
    assert tags["trainrun.reason"] == "stopped by SIGTERM"
    now = status.read(one.run_dir)
    assert (now.status, now.epochs) == ("KILLED", last)
    assert now.identity["run_id"] == run.info.run_id


def test_a_delivery_process_that_is_killed_costs_one_line_and_sync_the_rest(server, trainer, capsys):
    """And passwords are in no file and no process' arguments; and what the server will never take keeps nothing back."""
    uri = server.uri.replace("http://", f"http://me:{SECRET}@")
    one = trainer({"uri": uri}, epochs=80, pace=0.05, artifacts=["good.txt", "bad.txt"])
    for name in ("good", "bad"):
        (one.run_dir / f"{name}.txt").write_text(name)
    arguments = Path(f"/proc/{one.delivery}/cmdline").read_bytes()
    assert b"trainrun.tracking.delivery.service" in arguments and SECRET.encode() not in arguments
    one.until("epoch 30")
    os.kill(one.delivery, signal.SIGKILL)
    undelivered, seconds, warnings = one.wait()
    assert undelivered > 40 and seconds < 10
    assert len(warnings) == 1 and f"{undelivered} records not yet sent" in warnings[0]
    for file in one.run_dir.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
    assert main(["sync", str(one.run_dir)]) == 2
    message = capsys.readouterr()
    assert "--uri" in message.err and SECRET not in message.out + message.err

    book = one.run_dir / "journal.jsonl"
    book.write_text(book.read_text().replace('"bad.txt"', '"../../../../etc/hostname"'))
    assert main(["sync", str(one.run_dir), "--uri", uri]) == 1
    message = capsys.readouterr()
    assert "does not lie in the run's directory" in message.err and SECRET not in message.out + message.err
    run = assert_all_there(server.uri, one.run_dir, left=1)
    assert [a.path for a in client(server.uri).list_artifacts(run.info.run_id)] == ["good.txt"]
    assert SECRET not in str(run.to_dictionary())


def test_concurrent_deliveries_and_a_full_replay_create_no_duplicates(server, trainer, capsys):
    one = trainer({"uri": server.uri}, epochs=100_000, pace=0.05)
    (one.run_dir / "config.yaml").write_text("a: 1\n")
    the_run(server.uri, one.run_dir, epoch=10)
    assert main(["sync", str(one.run_dir)]) == 0
    assert re.search(r"process \d+ on .* is delivering it", capsys.readouterr().out)
    one.process.send_signal(signal.SIGTERM)
    assert one.wait()[0] == 0
    lock = FileLock(one.run_dir / state.LOCK)
    assert lock.acquire(5) and not FileLock(one.run_dir / state.LOCK).acquire()
    lock.release()
    run = assert_all_there(server.uri, one.run_dir, "KILLED")
    for loss in ("whole", "half"):  # as after a crash between sending and writing down that it was sent
        if loss == "whole":
            (one.run_dir / state.FILE).unlink()
        else:
            content = json.loads((one.run_dir / state.FILE).read_text())
            content["deliveries"][-1]["next"] = 7
            (one.run_dir / state.FILE).write_text(json.dumps(content))
        assert main(["sync", str(one.run_dir)]) == 0
        assert assert_all_there(server.uri, one.run_dir, "KILLED").info.run_id == run.info.run_id


def test_ctrl_c_in_the_terminal_reaches_the_training_process_only(server, trainer, tools):
    one = trainer({"uri": server.uri}, epochs=100_000)
    one.until("epoch 20")
    os.killpg(one.process.pid, signal.SIGINT)
    undelivered, _, warnings = one.wait()
    assert (undelivered, warnings) == (0, [])
    run = assert_all_there(server.uri, one.run_dir, "KILLED")
    assert run.data.tags["trainrun.reason"] == "stopped by SIGINT"
    assert tools.gone(one.delivery, 30)


# What else may come.


def test_clock_jumps_lose_no_record(server, tmp_path, tools):
    import sys

    run_dir = tmp_path / "run"
    run_dir.mkdir()
    code = f"""
import itertools, time
times = itertools.cycle([1.7e9, -5.0, 4e9])
time.time = lambda: next(times)
from trainrun.tracking.record import Recorder
from trainrun.tracking.settings import TrackingSettings
recorder = Recorder({str(run_dir)!r}, TrackingSettings.of({{"name": "mlflow", "uri": {server.uri!r}}}))
recorder.start(run_id="r", config={{}})
for epoch in range(1, 6):
    recorder.journal.write("epoch", epoch=epoch, step=epoch, metrics={{"loss": 1.0}})
assert recorder.end("FINISHED").undelivered == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    (run,) = mlflow_runs(server.uri, run_dir)
    history = client(server.uri).get_metric_history(run.info.run_id, "loss")
    assert sorted(m.step for m in history) == [1, 2, 3, 4, 5]
    assert {m.timestamp for m in history} >= {0, 4_000_000_000_000}


def test_the_widest_parameters_and_the_oddest_texts(on_postgres, tmp_path, capsys):
    _, server = on_postgres
    recorder = Recorder(tmp_path, name="x" * 1000)
    wide = {f"k{i}": "ü" * 7000 for i in range(150)}
    odd = {"nul": "a\0b", "half": "\ud800", "same@": 1, "same#": 2, "": 3, "k" * 300: 4}
    recorder.start(
        run_id="r",
        config={"optimizer": {"learning_rate": 0.1}, "wide": wide, "odd": odd},
        tags={"a\0": "b\0"},
    )
    values = {
        "nan": math.nan,
        "inf": math.inf,
        "-inf": -math.inf,
        "huge": 10**400,
        "text": "no",
        "on": True,
        "a@": 1.0,
        "a#": 2.0,
    }
    recorder.journal.write(
        "epoch", epoch=1, step=1, metrics={**values, **{f"m{i}": float(i) for i in range(2500)}}
    )
    recorder.end("FINISHED")
    assert main(["sync", str(tmp_path), "--uri", server.uri]) == 0, capsys.readouterr().err
    (run,) = mlflow_runs(server.uri, tmp_path)
    params, metrics = run.data.params, run.data.metrics
    assert params["wide.k149"] == "ü" * 5999 + "…"
    assert (params["odd.nul"], params["odd.half"]) == ("a�b", "?")
    assert (params["odd.same_"], params["odd.same__2"]) == ("1", "2")
    assert math.isnan(metrics["nan"]) and metrics["inf"] == metrics["huge"] == -metrics["-inf"] > 1e300
    assert (metrics["on"], metrics["a_"], metrics["a__2"], metrics["m2499"]) == (1.0, 1.0, 2.0, 2499.0)
    assert "text" not in metrics and len(metrics) == 2508
    # Once more, and NaN is not there twice.
    (tmp_path / state.FILE).unlink()
    assert main(["sync", str(tmp_path), "--uri", server.uri]) == 0
    assert len(client(server.uri).get_metric_history(run.info.run_id, "nan")) == 1


def test_delivery_process_without_its_starter_exits(server, tmp_path):
    import sys

    process_ = subprocess.Popen(
        [sys.executable, "-m", "trainrun.tracking.delivery.service", str(2**22 + 1)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    book = journal.Journal(tmp_path / "journal.jsonl")
    book.write("start", run_id="r", **{**liveness.identity(), "pid": 2**22 + 1})
    book.close()
    where = {"tracker": "mlflow", "uri": server.uri, "experiment": "trainrun"}
    content = {"follow": str(tmp_path), "targets": [where], "interval": 0.1, "timeout": 60}
    process_.communicate(json.dumps(content).encode() + b"\n", timeout=90)
    assert process_.returncode == 0
    assert records(tmp_path)[-1]["status"] == "KILLED"
    assert state.latest(tmp_path)[-1]["next"] == 2


def test_ended_run_is_delivered_without_waiting_for_its_turn(tmp_path):
    from trainrun.tracking.delivery import service as deliver

    recorder = Recorder(tmp_path)
    recorder.start(run_id="r", config={})
    _, answer = os.pipe()
    service = deliver.Service(0, answer, os.getpid())
    where = {"tracker": "mlflow", "uri": f"sqlite:///{tmp_path}/mlflow.db", "experiment": "e"}
    service.take({"follow": str(tmp_path), "targets": [where], "interval": 0.1, "timeout": 60})
    run = service.runs[str(tmp_path)]
    run.work()  # the store is made
    service.live = 64
    run.work()
    assert run.remaining > 5.0  # 64 runs that live are each looked at once in some seconds
    recorder.end("FINISHED")
    service.take({"over": str(tmp_path)})
    assert run.remaining == 0.0
    run.work()
    assert run.finished
    os.close(answer)


def test_nothing_is_reported_of_a_run_after_its_last_trackers_end(tmp_path):
    """The training process may have the run followed anew by then, and would take it for a report on that."""
    from trainrun.tracking.delivery import service as deliver

    recorder = Recorder(tmp_path)
    recorder.start(run_id="r", config={})
    recorder.end("FINISHED")
    reports, answer = os.pipe()
    service = deliver.Service(0, answer, os.getpid())
    where = {"tracker": "tensorboard", "uri": "tensorboard"}
    service.take({"follow": str(tmp_path), "targets": [where], "interval": 0.1, "timeout": 60})
    run = service.runs[str(tmp_path)]
    run.work()
    assert run.finished
    os.close(answer)
    with open(reports, encoding="utf-8") as lines:
        finished = [report for report in map(json.loads, lines) if "finished" in report]
    assert finished == [{"run": str(tmp_path), "tracker": 0, "finished": True}]


@pytest.mark.parametrize("since", ["before the run began", "after it"])
def test_a_run_that_another_process_may_have_made_is_searched_for(server, tmp_path, monkeypatch, since):
    from mlflow import MlflowClient

    from trainrun.tracking.delivery.replay import Follower
    from trainrun.tracking.delivery.state import Cursor, Target
    from trainrun.tracking.mlflow.tracker import MlflowTracker

    searches, search = [], MlflowClient.search_runs
    monkeypatch.setattr(MlflowClient, "search_runs", lambda *a, **k: searches.append(a) or search(*a, **k))
    began = time.time() - 1 if since == "before the run began" else time.time() + 1
    recorder = Recorder(tmp_path)
    recorder.start(run_id="r", config={})
    recorder.end("FINISHED")
    place = Cursor(tmp_path, Target("mlflow", server.uri, "trainrun"))
    Follower(place, MlflowTracker(place, began)).pass_on()
    assert len(searches) == (0 if since == "before the run began" else 1)
    (
        tmp_path / state.FILE
    ).unlink()  # killed before it was written down: the next process has begun after the run
    again = Cursor(tmp_path, Target("mlflow", server.uri, "trainrun"))
    Follower(again, MlflowTracker(again, time.time() + 1)).pass_on()
    (run,) = mlflow_runs(server.uri, tmp_path)
    assert again.run_id == place.run_id == run.info.run_id


@pytest.mark.parametrize("since", [math.inf, 0.0], ids=["of any age", "new"])
def test_partly_sent_start_record_is_completed_at_the_next_delivery(server, tmp_path, proxy, since):
    from trainrun.tracking.delivery.replay import Follower
    from trainrun.tracking.delivery.state import Cursor, Target
    from trainrun.tracking.mlflow.tracker import MlflowTracker

    recorder = Recorder(tmp_path)
    recorder.start(run_id="r", config={f"k{i}": i for i in range(250)}, dataset={"name": "d", "digest": "e"})
    recorder.end("FINISHED")
    place = Cursor(tmp_path, Target("mlflow", proxy.uri, "trainrun"))
    follower = Follower(place, MlflowTracker(place, since))
    proxy.allowed = 0
    for allowed in range(1, 40):  # one request further each time
        proxy.allowed = allowed
        try:
            follower.pass_on()
        except Exception:
            continue
        break
    proxy.allowed = None
    (run,) = mlflow_runs(server.uri, tmp_path)
    assert len(run.data.params) == 250 and run.info.status == "FINISHED"
    assert not [tag for tag in run.data.tags if "resume" in tag]
    assert len(run.inputs.dataset_inputs) == 1
