"""Alerts of real runs, sent by the delivery process to a server on loopback and to a command."""

from __future__ import annotations

import http.server
import json
import os
import signal
import threading
import time
import types

import pytest

from trainrun.config.rules import alert
from trainrun.tracking import alerts, journal, summary
from trainrun.tracking.delivery import alert_delivery, state
from trainrun.util import grants

SECRET = "T0PSECRETPATH"


@pytest.fixture
def hook(monkeypatch):
    """A server that keeps what it is sent, and refuses it below /bad."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path.startswith("/bad") else 200)
            self.end_headers()

        def log_message(self, *args): ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.got = got
    server.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("TRAINRUN_ALERT_WEBHOOK", f"{server.address}/{SECRET}")
    yield server
    server.shutdown()
    server.server_close()


def eventually(condition, timeout=20):
    until = time.monotonic() + timeout
    while not (done := condition()) and time.monotonic() < until:
        time.sleep(0.05)
    return done


@pytest.mark.parametrize("how", ["killed", "finished"])
def test_the_end_of_a_run_is_sent_and_the_address_stands_nowhere(how, trainer, hook, tmp_path, monkeypatch):
    monkeypatch.setenv(
        "TRAINRUN_ALERT_COMMAND", f'cat > {tmp_path}/got; echo "$TRAINRUN_TEXT" > {tmp_path}/text'
    )
    run = trainer(
        {"name": "none"},
        epochs=1000 if how == "killed" else 2,
        alert={"webhook": True, "command": True},
    )
    if how == "killed":
        run.until("epoch")
        os.kill(run.process.pid, signal.SIGKILL)

    assert eventually(lambda: hook.got and (tmp_path / "text").exists() and (tmp_path / "text").read_text())

    assert [m["event"] for m in hook.got] == [how]
    assert json.loads((tmp_path / "got").read_text()) == hook.got[0]
    assert (tmp_path / "text").read_text().strip() == hook.got[0]["text"]
    assert hook.got[0]["metrics"]["loss"] > 0
    files = [p for p in run.run_dir.rglob("*") if p.is_file()]
    assert not [p for p in files if SECRET.encode() in p.read_bytes()]


def test_an_alert_that_cannot_be_sent_is_in_the_journal_and_harms_nothing(trainer, hook, monkeypatch):
    monkeypatch.setenv("TRAINRUN_ALERT_WEBHOOK", f"{hook.address}/bad/{SECRET}")
    run = trainer({"name": "tensorboard"}, epochs=2, alert={"webhook": True})
    undelivered, seconds, _ = run.wait()
    path = run.run_dir / "journal.jsonl"

    assert eventually(lambda: journal.read(path).records[-1]["kind"] == "event")

    assert (undelivered, seconds < 8) == (0, True)
    assert "the alert of run (finished) was not sent: webhook: the server answered 500" in run.err
    last = journal.read(path).records[-1]
    assert (last["event"], last["alert"], last["reason"]) == (
        "alert_not_sent",
        "finished",
        "webhook: the server answered 500",
    )
    (entry,) = eventually(lambda: _delivered(run.run_dir, len(journal.read(path).records)))
    assert "left" not in entry


def test_every_alert_that_is_not_sent_is_told_whatever_fails(tmp_path, monkeypatch):
    book = journal.Journal(tmp_path / "journal.jsonl")
    book.write("start", run_id="run", sweep={"total": 3})
    for number, value in enumerate((3.0, 2.0, 1.0)):
        book.write("metrics", trial=number, metrics={"best_val_loss": value})
    book.write("end", status="FINISHED")
    book.close()
    warnings, reports = [], []
    run = types.SimpleNamespace(
        run_dir=tmp_path,
        deliveries=[],
        service=types.SimpleNamespace(wake=lambda: None),
        warn=warnings.append,
        report=lambda **fields: reports.append(fields),
    )
    take = alerts.Watcher.take

    def failing_take(watcher, record, current):
        if record.get("trial") == 1:
            raise KeyError("of this record")
        return take(watcher, record, current)

    def failing_send(settings, message):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(alerts.Watcher, "take", failing_take)
    monkeypatch.setattr(alerts, "send", failing_send)
    monkeypatch.setattr(alert_delivery, "TRIES", 1)
    delivery = alert_delivery.AlertDelivery(run, alerts.AlertSettings(webhook="http://127.0.0.1:1"))

    def once_sent():
        delivery.work()
        return len(warnings) == 2

    assert eventually(once_sent)
    delivery.give_up("no time was left")

    events = [r for r in journal.read(book.path).records if r["kind"] == "event"]
    failures = [
        ("metrics", "KeyError"),
        ("better", "RuntimeError"),
        ("finished", "no time was left"),
    ]
    assert [(e["event"], e["alert"], e["reason"]) for e in events] == [
        (alerts.NOT_SENT, *failure) for failure in failures
    ]
    assert (len(warnings), reports) == (3, [{"tracker": 0, "finished": True}])


def test_alerts_of_a_delivery_process_that_died_are_told(trainer, hook):
    run = trainer({"name": "none"}, epochs=10, pace=0.3, alert={"webhook": True})
    assert eventually((run.run_dir / state.LOCK).exists)
    os.kill(run.delivery, signal.SIGKILL)
    run.wait()

    assert "alerts of run may not be sent: the delivery process had ended" in run.err
    last = journal.read(run.run_dir / "journal.jsonl").records[-1]
    assert (last["event"], last["alert"], hook.got) == (alerts.NOT_SENT, "finished", [])


def _delivered(run_dir, total):
    entries = json.loads((run_dir / "tracking.json").read_text())["deliveries"]
    return [e for e in entries if e["next"] == total]


def test_a_sweep_reports_new_best_trials_and_a_resumed_one_does_not_repeat_them(tmp_path):
    watcher = alerts.Watcher(tmp_path, alerts.EVENTS)

    def best(value, trial, current=True):
        return watcher.take({"kind": "metrics", "metrics": {"best_val_loss": value}, "trial": trial}, current)

    watcher.take({"kind": "start", "sweep": {"total": 9}}, True)
    sent = [best(0.5, 0), best(0.5, 1), best(0.4, 2), best(0.3, 3, current=False), best(0.3, 4)]

    assert [m and m["event"] for m in sent] == [None, None, "better", None, None]
    assert "trial 2" in sent[2]["text"]


@pytest.mark.parametrize(
    ("earlier", "event"), [([0.9, 0.6], "better"), ([0.9, 0.4], "finished"), ([], "finished")]
)
def test_a_finished_run_is_better_only_than_earlier_ones_on_the_same_data(earlier, event, tmp_path):
    def write(name, value, data="a"):
        (tmp_path / name).mkdir()
        made = summary.build(
            run_id=name,
            status="FINISHED",
            seed=1,
            best={"val_loss": {"value": value, "epoch": 1}},
            data_sha256=data,
        )
        summary.write(tmp_path / name, made)

    for number, value in enumerate(earlier):
        write(str(number), value)
    write("elsewhere", 0.1, data="b")
    write("own", 0.5)

    message = alerts.Watcher(tmp_path / "own", alerts.EVENTS).take(
        {"kind": "end", "status": "FINISHED"}, True
    )

    assert message["event"] == event


def test_where_alerts_go_is_named_by_the_command_line_or_the_environment_only(monkeypatch):
    monkeypatch.delenv("TRAINRUN_ALERT_COMMAND", raising=False)
    typed = "alert.command='notify me'"
    with grants.of_command_line([typed, "alert.webhook=false"]) as (words, _):
        assert words == ["alert.command=true", "alert.webhook=false"]
        assert alerts.AlertSettings.of({"command": True}).command == "notify me"
        assert not list(alert.problems({"alert": {"command": True}}))
        assert not grants.readable("TRAINRUN_ALERT_COMMAND")
        assert alerts.AlertSettings.of({"command": True}, trial=True) is None
        assert alerts.AlertSettings.of({"command": True, "trials": True}, trial=True) is not None
    assert alerts.AlertSettings.of({"command": "rm -r /"}) is None
    for value in ("rm -r /", True):  # a file's own, and none at all
        (problem,) = alert.problems({"alert": {"command": value}})
        assert problem.key == "alert.command"
