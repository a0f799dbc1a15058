"""`trainrun doctor`: a line each, what to do, and an exit code that is true."""

from __future__ import annotations

import http.server
import threading

import pytest

from trainrun.cli import main
from trainrun.commands import doctor
from trainrun.inspect import machine_checks


@pytest.fixture(autouse=True)
def clean(inside, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "KERAS_BACKEND", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_report_has_every_check(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for subject in (
        "python", "packages", "threads", "disk", "tracker", "plug-ins", "device", "precision", "XLA",
    ):  # fmt: skip
        assert f" {subject} " in out
    assert out.splitlines()[-1].startswith("ready")


def test_a_fault_has_an_exit_code_and_a_way_out(clean, capsys):
    clean.setenv("KERAS_BACKEND", "jax")
    assert main(["doctor", "--quick"]) == 1
    out = capsys.readouterr().out
    assert "KERAS_BACKEND=jax" in out
    assert "→ unset KERAS_BACKEND" in out
    assert "1 fault" in out


def test_a_tracker_that_does_not_answer_is_a_warning(clean, capsys):
    clean.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    assert main(["doctor", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "does not answer" in out
    assert "secret" not in out


def test_a_tracker_that_answers(clean):
    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_):
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Healthy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        clean.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        (finding,) = machine_checks.tracker()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert finding.level == doctor.OK
    assert "answers in" in finding.text


def test_a_plug_in_that_does_not_load_is_a_fault(clean):
    clean.setattr("trainrun.config.plugins.early", lambda overrides: ["./not_there.py"])
    findings = [f for f in machine_checks.plug_ins() if "not_there" in f.text]
    assert [f.level for f in findings] == [doctor.FAULT]


def test_a_check_that_fails_is_a_finding_itself():
    def broken():
        raise RuntimeError("no idea")
        yield

    (finding,) = doctor.findings(broken)
    assert finding.level == doctor.FAULT
    assert "no idea" in finding.text


def test_missing_package_is_a_fault(clean):
    clean.setitem(machine_checks.PACKAGES, "no-such-package", "nothing")
    levels = {f.level for f in machine_checks.versions() if "no-such-package" in f.text + f.advice}
    assert levels == {doctor.FAULT}
