"""Optuna's private names: a running trial of an earlier process. Checked with Optuna 5.0.0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna


def running_trial(study: optuna.Study, frozen: optuna.trial.FrozenTrial) -> optuna.Trial:
    """Return the handle for reporting and ending a trial that another process began.

    For: a resumed sweep, whose trials continue. Public API: `study.ask` begins a new trial; `study.tell` takes a number, but
    intermediate values are reported through the handle.
    Checked: Optuna 5.0.0. Missing: AttributeError when such a sweep is resumed.

    Args:
        study: that holds the trial.
        frozen: the trial as the study lists it; in state RUNNING.
    """
    import optuna

    return optuna.trial.Trial(study, frozen._trial_id)
