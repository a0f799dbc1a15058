"""Which process trains which trials."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from trainrun.sweep.launchers import launcher_settings
from trainrun.sweep.launchers.resources import Resources
from trainrun.sweep.trial import Trial
from trainrun.vectorized import engine as engine_module
from trainrun.vectorized.engine import Vectorized

SETTINGS = {"plugins": [], "command": [], "trial_timeout": None, "grace": 30.0, "reuse": "auto"}


class Process:
    """Stands for `worker.GroupProcess`: it takes trials, and ends none."""

    gone, ends = False, ()

    def __init__(self, settings, threads, part, *_):
        self.threads, self.part, self.slots, self.key = threads, part, [], None

    def send(self, slot):
        self.slots.append(slot)
        self.key = slot.key

    def pass_on_stops(self):
        pass

    def listen(self):
        return []


class Machine:
    """An engine for 64 trials on two cores, with its processes."""

    def __init__(self, monkeypatch):
        self.processes, self.alone = [], []
        monkeypatch.setattr(engine_module, "GroupProcess", self.begun)
        monkeypatch.setattr(engine_module.alike, "obstacle", lambda *_: None)
        pool = SimpleNamespace(running=[], free=True, start=lambda trial, resume: self.alone.append(trial))
        self.engine = Vectorized({"trial_timeout": None, "plugins": []}, pool, 64, Resources(2, 2))

    def begun(self, *arguments):
        self.processes.append(Process(*arguments))
        return self.processes[-1]

    def start(self, shape, count):
        for number in range(count):
            self.engine.start(Trial(number, [], [], Path(), {"loss": shape}))
        self.engine.wait(0.0)

    @property
    def trials(self):
        return [len(p.slots) for p in self.processes]


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def test_many_trials_are_divided_among_the_cores(machine):
    machine.start("a", 21)
    assert machine.trials == [11, 10]
    assert [(p.threads, p.part) for p in machine.processes] == [(1, 0.5), (1, 0.5)]
    assert "2 side by side" in machine.engine.how


def test_few_trials_share_one_graph_and_the_whole_machine(machine):
    machine.start("a", 15)
    assert machine.trials == [15]
    assert [(p.threads, p.part) for p in machine.processes] == [(2, 1.0)]


def test_further_trials_go_to_the_process_with_fewer(machine):
    machine.start("a", 16)
    del machine.processes[1].slots[:3]
    machine.start("a", 4)
    assert sorted(machine.trials) == [8, 9]


def test_an_idle_process_is_used_again_only_for_enough_trials(machine):
    machine.start("a", 16)
    machine.processes[0].slots.clear()
    machine.start("a", 3)
    assert machine.trials == [0, 11]
    machine.start("a", 16)
    assert sorted(machine.trials) == [13, 14]


def test_another_shape_waits_until_a_process_is_idle(machine):
    machine.start("a", 16)
    machine.start("b", 9)
    assert machine.trials == [8, 8] and len(machine.engine.running) == 25
    machine.processes[1].slots.clear()
    machine.engine.wait(0.0)
    first, second = machine.processes
    assert machine.trials == [8, 9] and first.key != second.key


def test_a_single_trial_is_left_to_the_local_launcher(machine):
    notes = []
    machine.engine.on_note = notes.append
    machine.start("a", 1)
    assert (machine.processes, len(machine.alone)) == ([], 1)
    assert notes == ["1 trial trained separately: no other trial has its shape"]


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
def test_as_many_processes_as_the_machine_has_room_for(launcher, machine, jobs, monkeypatch):
    if machine is not None:
        monkeypatch.setattr(
            Resources, "divide", lambda n, trials, per_gpu=1: machine if trials > 1 else Resources(1, 1)
        )
    engine = Vectorized.of(
        {**SETTINGS, "launcher": launcher_settings.complete({"name": "vectorized", **launcher})}, 64
    )
    engine.pool.close()
    assert engine.machine.jobs == jobs
