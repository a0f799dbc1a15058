"""Optuna's private names: a running trial of an earlier process, and CMA-ES without pickles. Checked with Optuna 5.0.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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


def cma_es(**settings: Any) -> optuna.samplers.CmaEsSampler:
    """Return Optuna's CMA-ES sampler, with its state computed from the study's trials instead of unpickled.

    Optuna keeps the optimizer in the study as a pickle, which a study from elsewhere could misuse. Its state follows from the first
    trials of each generation that have finished, which are told to a new optimizer here, in milliseconds. Suggestions are
    those of Optuna's sampler, if the trials of a generation finish in the order in which they began.

    For: "nothing is unpickled". Public API: none; the sampler has no hook for its state.
    Checked: Optuna 5.0.0. Missing: the study would be unpickled again, which tests/compat notices.

    Args:
        settings: of `optuna.samplers.CmaEsSampler`, without `source_trials`.
    """
    from optuna.samplers import CmaEsSampler
    from optuna.study import StudyDirection

    class FromTrials(CmaEsSampler):
        """CMA-ES whose optimizer is made anew from the finished trials."""

        def _restore_optimizer(self, completed_trials: Sequence[Any]) -> None:
            self._finished = sorted(completed_trials, key=lambda trial: trial.datetime_complete)

        def _init_optimizer(self, trans: Any, direction: Any) -> Any:
            generations = [_whole(t.system_attrs.get(self._attr_key_generation)) for t in self._finished]
            before = self._cma_rng.rng.get_state()
            optimizer = super()._init_optimizer(trans, direction)
            if max(generations, default=-1) > 0:  # Optuna would have unpickled one, and drawn no seed for it
                self._cma_rng.rng.set_state(before)
            sign = 1 if direction == StudyDirection.MINIMIZE else -1
            while True:
                of_generation = [
                    t for t, g in zip(self._finished, generations, strict=True) if g == optimizer.generation
                ]
                if len(of_generation) < optimizer.population_size:
                    return optimizer
                generation = of_generation[: optimizer.population_size]
                optimizer.tell([(trans.transform(t.params), sign * t.value) for t in generation])

    return FromTrials(**settings)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else -1
