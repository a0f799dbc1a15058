"""How the machine is divided among trials."""

from __future__ import annotations

import pytest

from trainrun.sweep.launchers import resources
from trainrun.sweep.launchers.resources import Resources


@pytest.fixture
def machine(monkeypatch):
    def of(cores=8, gpus=(), memory=2**36):
        monkeypatch.setattr(resources.machine, "cores", lambda: cores)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(gpus))
        monkeypatch.setattr(resources.machine, "available_memory", lambda: memory)

    return of


def shares(division):
    taken = []
    while (share := division.take()) is not None:
        taken.append(share)
    return taken


def test_each_core_gets_a_trial_with_one_thread(machine):
    machine(cores=8)
    taken = shares(Resources.divide("auto", 100))
    assert [s.threads for s in taken] == [1] * 8


def test_fewer_trials_than_cores_have_more_threads_each(machine):
    machine(cores=8)
    assert [s.threads for s in shares(Resources.divide("auto", 2))] == [4, 4]


def test_short_memory_means_fewer_at_once(machine):
    machine(cores=8, memory=3 * resources.TRIAL_MEMORY + 1)
    assert Resources.divide("auto", 100).jobs == 3


def test_no_two_trials_lease_one_gpu(machine):
    machine(cores=8, gpus=("0", "1", "2"))
    taken = shares(Resources.divide("auto", 100))
    assert sorted(s.gpu for s in taken) == ["0", "1", "2"]
    assert all(s.environment()["CUDA_VISIBLE_DEVICES"] == s.gpu for s in taken)


def test_small_trials_share_a_gpu_where_asked_for(machine):
    machine(cores=8, gpus=("0", "1"))
    assert sorted(s.gpu for s in shares(Resources.divide("auto", 100, per_gpu=2))) == ["0", "0", "1", "1"]


def test_what_is_given_back_can_be_taken_again(machine):
    machine(cores=2)
    division = Resources.divide(1, 5)
    share = division.take()
    assert division.take() is None
    division.give_back(share)
    assert division.take() is share
