"""Optuna's private names are where `trainrun.compat.optuna_private` looks for them."""

from __future__ import annotations

import contextlib
import math
import os
import pickle

import optuna
import pytest

from trainrun.compat import optuna_private


def test_a_running_trial_of_another_handle_is_reported_on_and_ended():
    study = optuna.create_study()
    begun = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    (frozen,) = study.get_trials(states=[optuna.trial.TrialState.RUNNING])
    again = optuna_private.running_trial(study, frozen)
    assert again.number == begun.number
    assert again.params == begun.params
    again.report(0.5, 3)
    study.tell(again, 0.25)
    (ended,) = study.trials
    assert ended.value == 0.25
    assert ended.intermediate_values == {3: 0.5}


def suggestions(make, trials=40):
    """Return the points that a sampler suggests, made anew for each trial as `sweep.space.samplers` does, and the study."""
    study = optuna.create_study()
    for number in range(trials):
        study.sampler = make(seed=number, warn_independent_sampling=False)
        trial = study.ask()
        x, n, rate = (
            trial.suggest_float("x", -3, 3),
            trial.suggest_int("n", 1, 9),
            trial.suggest_float("rate", 1e-5, 1, log=True),
        )
        study.tell(trial, (x - 1) ** 2 + abs(n - 4) + abs(math.log10(rate) + 3))
    return [t.params for t in study.trials], study


def test_cma_es_suggests_what_optunas_own_does_and_neither_writes_nor_reads_a_pickle():
    own, theirs = suggestions(optuna_private.cma_es), suggestions(optuna.samplers.CmaEsSampler)
    # A pickle keeps half of the covariance, which is symmetric but for its rounding.
    assert all(ours == pytest.approx(point) for ours, point in zip(own[0], theirs[0], strict=True))
    kept = {key for trial in own[1].trials for key in trial.system_attrs}
    assert kept == {"cma:generation"} and any("cma:optimizer:0" in t.system_attrs for t in theirs[1].trials)


class Evil:
    """What runs a program when it is unpickled."""

    def __init__(self, program):
        self.program = program

    def __reduce__(self):
        return os.system, (self.program,)


def test_a_pickle_in_a_study_is_not_read(tmp_path):
    _, study = suggestions(optuna_private.cma_es, 8)
    mark = tmp_path / "ran"
    attributes = {"cma:optimizer:0": pickle.dumps(Evil(f"touch {mark}")).hex(), "cma:generation": "x"}
    study.add_trial(
        optuna.trial.create_trial(
            params=study.trials[0].params,
            distributions=study.trials[0].distributions,
            value=0.0,
            system_attrs=attributes,
        )
    )
    study.sampler = optuna_private.cma_es(seed=1, warn_independent_sampling=False)
    study.ask(study.trials[0].distributions)
    assert not mark.exists()
    study.sampler = optuna.samplers.CmaEsSampler(seed=1)
    with contextlib.suppress(Exception):
        study.ask(study.trials[0].distributions)
    assert mark.exists(), "Optuna itself does not unpickle any more: cma_es may go"
