"""Optuna's private names are where `trainrun.compat.optuna_private` looks for them."""

from __future__ import annotations

import optuna

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
