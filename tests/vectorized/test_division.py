"""Which process trains which trials."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from trainrun.sweep.launchers import launcher_settings
from trainrun.sweep.launchers.resources import Resources
from trainrun.sweep.trial import Trial
from trainrun.vectorized.engine import Vectorized
from trainrun.vectorized.worker import Place

SETTINGS = {"plugins": [], "command": [], "trial_timeout": None, "grace": 30.0, "reuse": "auto"}


class Process:
    """Stands for `worker.Together`."""

    def __init__(self, threads, part):
        self.threads, self.part, self.places, self.key = threads, part, [], None

    def send(self, place):
        self.places.append(place)
        self.key = place.key


@pytest.fixture
def engine():
    pool = SimpleNamespace(running=[], free=True)
    made = Vectorized({"trial_timeout": None}, pool, 64, Resources(2, 2))
    made._begun = lambda threads, part, place: Process(threads, part)
    return made


def wait(engine, key, count):
    engine._waiting += [Place(Trial(i, [], [], Path(), {}), None, key) for i in range(count)]
    engine._begin()


def had(engine):
    return [(p.key, len(p.places)) for p in engine._processes]


def test_many_are_divided_among_the_cores(engine):
    wait(engine, "a", 21)
    assert had(engine) == [("a", 11), ("a", 10)]
    assert [(p.threads, p.part) for p in engine._processes] == [(1, 0.5), (1, 0.5)]
    assert "2 side by side" in engine.how


def test_few_have_one_graph_and_the_whole_machine(engine):
    wait(engine, "a", 15)
    assert had(engine) == [("a", 15)]
    assert [(p.threads, p.part) for p in engine._processes] == [(2, 1.0)]


def test_further_ones_go_where_there_are_fewer(engine):
    wait(engine, "a", 16)
    del engine._processes[1].places[:3]
    wait(engine, "a", 4)
    assert had(engine) == [("a", 8), ("a", 9)][::-1] or had(engine) == [("a", 9), ("a", 8)]


def test_a_process_that_has_run_dry_waits_for_enough_of_them(engine):
    wait(engine, "a", 16)
    engine._processes[0].places.clear()
    wait(engine, "a", 3)
    assert had(engine) == [("a", 0), ("a", 11)]
    wait(engine, "a", 16)
    assert had(engine) == [("a", 14), ("a", 13)] or sum(n for _, n in had(engine)) == 27


def test_another_shape_waits_for_its_turn(engine):
    wait(engine, "a", 16)
    wait(engine, "b", 9)
    assert had(engine) == [("a", 8), ("a", 8)] and len(engine._waiting) == 9
    engine._processes[1].places.clear()
    engine._begin()
    assert had(engine) == [("a", 8), ("b", 9)] and not engine._waiting


def test_one_without_company_is_left_to_local(engine):
    said = []
    engine.on_note = said.append
    wait(engine, "a", 1)
    assert (had(engine), len(engine._alone)) == ([], 1)
    assert said == ["1 trial by itself: no other is like it"]


@pytest.mark.parametrize(
    ("launcher", "machine", "jobs"),
    [
        ({}, Resources(8, 8), 8),
        ({}, Resources(1, 1), 1),
        ({}, Resources(4, 8, ["0", "1"]), 1),  # one process has a GPU's memory
        ({"max_trials": 10}, None, 1),
        ({"n_jobs": 1}, None, 1),
    ],
)
def test_as_many_processes_as_there_is_room_for(launcher, machine, jobs, monkeypatch):
    if machine is not None:
        monkeypatch.setattr(
            Resources, "divide", lambda n, trials, per_gpu=1: machine if trials > 1 else Resources(1, 1)
        )
    found = Vectorized.of(
        {**SETTINGS, "launcher": launcher_settings.complete({"name": "vectorized", **launcher})}, 64
    )
    found.pool.close()
    assert found.machine.jobs == jobs
