"""Signals: the step is finished and saved, the record says so, the exit code names the signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from trainrun.checkpoint import file
from trainrun.cli import main
from trainrun.util.interrupt import Interrupted, StopRequest

ENDLESS = [
    "data=iris", "tracking=none", "trainer.epochs=100000", "artifacts.plots=false", "artifacts.report=false",
]  # fmt: skip
HANGS = """
import time
import keras
import trainrun

@trainrun.register("callback", "hang")
class Hang(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            print("hanging", flush=True)
            time.sleep(600)
"""

HANGS_TWICE = """
import time
from trainrun.util.interrupt import StopRequest

stop = StopRequest()
with stop.on_signals(grace=500), stop.between_steps():
    print("hanging", flush=True)
    while stop.pending is None:
        time.sleep(0.01)
    print("asked", flush=True)
    time.sleep(600)
"""
# A run is asked to stop in the way of its config, and when it goes on, as batch systems do it.
ASKS = """
import os
import signal
import keras
import trainrun

@trainrun.register("callback", "asks")
class Asks(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        asked = {2: signal.SIGUSR1, 6: signal.SIGTERM}.get(epoch)
        if asked:
            os.kill(os.getpid(), asked)
"""


def start(folder, *overrides):
    return subprocess.Popen(
        [sys.executable, "-m", "trainrun", *ENDLESS, *overrides],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process, word):
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"{word!r} did not come: {process.stderr.read()[-2000:]}")


def ended(process):
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, err


def left(folder):
    (run_dir,) = (folder / "outputs" / "runs").iterdir()
    return json.loads((run_dir / "summary.json").read_text())["status"], file.newest(run_dir)


def test_signal_named_in_the_config_saves_stops_and_the_run_resumes(inside, capfd):
    (inside / "asks.py").write_text(ASKS)
    asked = [
        "trainer.epochs=30",
        "checkpoint.signals=[SIGUSR1]",
        "trainer=custom",
        "plugins=[./asks.py]",
        "callback=asks",
    ]
    assert main([*ENDLESS, *asked]) == 128 + signal.SIGUSR1
    err = capfd.readouterr().err
    assert "SIGUSR1" in err and "Traceback" not in err
    status, (newest, damage) = left(inside)
    assert status == "KILLED" and newest.epoch >= 2 and not damage
    assert main(["resume", "last"]) == 143
    assert f"continuing with epoch {newest.epoch + 1} of 30" in capfd.readouterr().out
    status, (further, damage) = left(inside)
    assert status == "KILLED" and further.epoch > newest.epoch and not damage


def test_a_second_ctrl_c_ends_at_once():
    """In a process without TensorFlow, with a step that hangs."""
    process = subprocess.Popen([sys.executable, "-c", HANGS_TWICE], stdout=subprocess.PIPE, text=True)
    until(process, "hanging")
    process.send_signal(signal.SIGINT)
    until(process, "asked")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    code, _ = ended(process)
    assert code in (130, -signal.SIGINT) and time.monotonic() - began < 20


def test_hanging_step_is_killed_after_the_grace_period(tmp_path):
    (tmp_path / "hangs.py").write_text(HANGS)
    graced = start(tmp_path, "plugins=[./hangs.py]", "callback=hang", "checkpoint.grace=1.5")
    until(graced, "hanging")
    began = time.monotonic()
    graced.send_signal(signal.SIGTERM)
    code, err = ended(graced)
    assert code == 143 and 1.0 < time.monotonic() - began < 20
    assert "the step did not end within 1.5 s" in err and "Traceback" not in err


def test_run_killed_by_sigkill_resumes_to_identical_bits(tmp_path):
    """SIGKILL, by the code of `verify-resume`; benchmarks/kill_resume.py does it a hundred times."""
    from trainrun.verify import differences, kill_and_resume

    trial = kill_and_resume.Trial(["data=iris", "trainer=custom", "trainer.epochs=60"], tmp_path, 60, seed=1)
    trial.reference()
    run_dir, kills = trial.killed(1, "killed")
    assert kills
    assert differences.compare(trial.whole, run_dir) == []
    assert differences.first_difference(trial.whole, run_dir) is None
    assert not [p.name for p in (run_dir / file.FOLDER).iterdir() if p.name.startswith(".")]


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def raised(number, inside=lambda: None):
    with pytest.raises(Interrupted) as caught, StopRequest().on_signals():
        inside()
        os.kill(os.getpid(), number)
        time.sleep(1)
    return caught.value


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_outside_of_steps_is_raised_at_once(number, code):
    assert raised(number).exit_code == code


def test_signal_between_steps_stays_pending_until_it_is_polled(capsys):
    stop = StopRequest()
    with stop.on_signals(grace=60):
        with pytest.raises(Interrupted), stop.between_steps():
            os.kill(os.getpid(), signal.SIGTERM)
            wait_for(lambda: stop.pending)
            assert str(stop.pending) == "stopped by SIGTERM"
            raise stop.pending
        assert stop.pending is not None
    assert stop.pending is None


def test_signal_after_the_last_poll_is_raised_when_the_steps_end():
    stop = StopRequest()
    with stop.on_signals(grace=60), pytest.raises(Interrupted), stop.between_steps():
        os.kill(os.getpid(), signal.SIGTERM)
        wait_for(lambda: stop.pending)


def test_grace_timer_of_one_run_does_not_kill_the_next(monkeypatch):
    ended, stop = [], StopRequest()
    monkeypatch.setattr(os, "_exit", ended.append)
    for seconds in (0.2, 60.0):
        with pytest.raises(Interrupted), stop.on_signals(grace=seconds), stop.between_steps():
            os.kill(os.getpid(), signal.SIGTERM)
            if seconds > 1:
                time.sleep(0.5)  # the first one's is over meanwhile
            raise stop.pending
    assert ended == []
    with pytest.raises(Interrupted), stop.on_signals(grace=0.1), stop.between_steps():
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: ended)
    assert ended == [130]


def test_previous_signal_handlers_are_restored():
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)]
    with StopRequest().on_signals(["SIGUSR2"]):
        assert signal.getsignal(signal.SIGUSR2) != before[2]
    raised(signal.SIGTERM)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)] == before


def test_no_signal_handler_is_set_outside_of_the_main_thread():
    requests = []

    def work():
        with StopRequest().on_signals():
            requests.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert requests == [before]


@pytest.mark.parametrize("at_prompt", [False, True])
def test_a_second_interrupt_at_a_prompt_ends_what_runs_and_not_the_process(at_prompt, monkeypatch):
    monkeypatch.delattr(sys, "ps1", raising=False)
    if at_prompt:
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    stop = StopRequest()
    with pytest.raises(KeyboardInterrupt) as first, stop.on_signals():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            second = signal.getsignal(signal.SIGINT)
    assert first.value.exit_code == 130
    assert second is (signal.default_int_handler if at_prompt else signal.SIG_DFL)
