"""What a sweep remembers of trials on their way to the server, and how long its end waits for them."""

from __future__ import annotations

import time

import pytest

from trainrun.sweep import trial_delivery
from trainrun.sweep.trial import Trial
from trainrun.tracking.journal import Journal

SETTINGS = {"name": "mlflow", "uri": "http://127.0.0.1:9"}


class Courier:
    """Stands for the delivery process: what was named to it, and what it has delivered."""

    def __init__(self):
        self.named, self.over_, self.done, self.waits = [], [], set(), {}
        self.down, self.alive = False, True

    def finished(self, run_dir):
        return run_dir in self.done

    def failing(self, run_dir):
        return self.down

    def over(self, run_dir):
        self.over_.append(run_dir)

    def forget(self, run_dir):
        self.named.remove(run_dir)

    def finish(self, run_dir, timeout):
        self.waits[run_dir] = timeout
        return self.finished(run_dir)


@pytest.fixture
def courier(monkeypatch):
    made = Courier()

    def deliver(run_dir, *more):
        made.named.append(run_dir)
        return made

    monkeypatch.setattr(trial_delivery.handover, "start", deliver)
    return made


def ended(folder, number):
    run_dir = folder / str(number)
    run_dir.mkdir()
    book = Journal(run_dir / "journal.jsonl")
    book.write("start", config={})
    book.write("end", status="FINISHED")
    book.close()
    return Trial(number, [], [], run_dir, {"tracking": SETTINGS}, status="FINISHED")


def test_delivered_trials_are_forgotten(tmp_path, courier):
    sent = trial_delivery.Delivery(timeout=3.0)
    trials = [ended(tmp_path, i) for i in range(4)]
    for trial in trials[:3]:
        sent.ended(trial)
    assert courier.named == courier.over_ == [t.run_dir for t in trials[:3]]
    courier.done = {trials[0].run_dir, trials[2].run_dir}
    sent.ended(trials[3])
    assert courier.named == [t.run_dir for t in trials[1:]]  # the third waits for the second
    courier.done.add(trials[1].run_dir)
    assert sent.finish(1.0) == 1
    assert [*courier.waits] == courier.named == [trials[3].run_dir]


@pytest.mark.parametrize(("down", "seconds"), [(False, 20.0), (True, 3.0)])
def test_the_end_waits_a_fifth_of_the_sweep_for_a_server_that_takes_records(
    tmp_path, courier, down, seconds, capsys, monkeypatch
):
    now = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now - 100.0)
        sent = trial_delivery.Delivery(timeout=3.0)
    for number in range(trial_delivery.MANY):
        sent.ended(ended(tmp_path, number))
    courier.down = down
    assert sent.finish(3.0) == trial_delivery.MANY
    assert [*courier.waits.values()] == pytest.approx([seconds] * trial_delivery.MANY, abs=1.0)
    assert f"sending the last {trial_delivery.MANY} trials" in capsys.readouterr().out


def test_the_rest_is_sent_in_the_background_and_only_what_is_refused_is_counted(tmp_path, courier, capsys):
    sent = trial_delivery.Delivery(timeout=3.0)
    for number in range(2):
        sent.ended(ended(tmp_path, number))
    sent.in_background = True
    assert sent.finish(3.0) == 0 and courier.waits == {}
    assert "the last 2 trials are sent to the tracking server in the background" in capsys.readouterr().out
    courier.down = True
    assert sent.finish(3.0) == 2 and capsys.readouterr().out == ""
