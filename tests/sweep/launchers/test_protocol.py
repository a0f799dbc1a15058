"""The worker protocol: every message passes through JSON unchanged; a pipe's end hears answers, stops and the end of the sweep."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time

import pytest

from trainrun.sweep.launchers import protocol
from trainrun.sweep.launchers.pipe_channel import PipeChannel
from trainrun.sweep.launchers.protocol import Answer, Begun, Ended, Epoch, Note, Stop, TrialTask
from trainrun.sweep.trial import Trial


@pytest.mark.parametrize(
    "message",
    [
        Begun(3, "node", 77),
        Epoch(3, 2, {"loss": 0.5, "val_loss": float("inf")}, True),
        Ended(3, "FAILED", "it broke", 1.5, True),
        Note("a line"),
        Stop(3, kill=True),
    ],
)
def test_a_message_is_the_same_after_json(message):
    assert protocol.decode(json.loads(json.dumps(protocol.encode(message)))) == message


def test_an_unknown_message_is_refused():
    with pytest.raises(KeyError):
        protocol.decode({"kind": "Nonsense"})


@pytest.mark.parametrize(("stopped", "status"), [(None, "KILLED"), ("it took too long", "FAILED")])
def test_a_trial_that_was_stopped_with_a_reason_has_failed_for_it(stopped, status):
    trial = Ended(0, "KILLED", "stopped by SIGTERM").settle(Trial(0, [], [], "", {}), 2.0, stopped)
    assert (trial.status, trial.reason, trial.seconds) == (status, stopped or "stopped by SIGTERM", 2.0)


@pytest.fixture
def pipe():
    """A channel, and the sweep's end of it."""
    sweep, worker = multiprocessing.Pipe()
    lost = threading.Event()
    channel = PipeChannel(worker, lost.set)
    channel.lost = lost
    yield channel, sweep
    sweep.close()


def test_each_trial_gets_its_own_answers(pipe):
    channel, sweep = pipe
    for answer in (Answer(2, "poor"), Answer(1)):
        sweep.send(answer)
    assert channel.ask(Epoch(1, 1, {}, False)) is None
    assert channel.ask(Epoch(2, 1, {}, False)) == "poor"
    assert [sweep.recv().trial for _ in range(2)] == [1, 2]


def test_an_answer_that_has_come_late_is_no_answer_to_the_next_epoch(pipe):
    channel, sweep = pipe
    assert channel.ask(Epoch(1, 1, {}, False), stopped=lambda: True) is None  # it did not wait
    sweep.send(Answer(1))
    threading.Timer(0.3, sweep.send, [Answer(1, "poor")]).start()
    assert channel.ask(Epoch(1, 2, {}, False)) == "poor"


def test_a_stop_ends_the_waiting_of_its_trial(pipe):
    channel, sweep = pipe
    threading.Timer(0.2, sweep.send, [Stop(1)]).start()
    began = time.monotonic()
    assert channel.ask(Epoch(1, 1, {}, False)) is None
    assert time.monotonic() - began < 5 and channel.stops.get(timeout=5) == 1


def test_a_sweep_that_is_gone_stops_all_trials_and_sends_no_more(pipe):
    channel, sweep = pipe
    sweep.send(TrialTask(7, {}, "run"))
    assert channel.tasks.get(timeout=5).number == 7
    sweep.close()
    assert (
        channel.lost.wait(5) and channel.stops.get(timeout=5) is None and channel.tasks.get(timeout=5) is None
    )
    channel.say(Note("nobody is there"))
