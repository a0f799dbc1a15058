"""A sweep's dimensions as Optuna has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainrun.sweep.space.search_space import Chosen, Dimension, Interval, bare

if TYPE_CHECKING:
    import optuna


def name(dimension: Dimension) -> str:
    """Return a parameter's name: the key, or all of those that vary together."""
    return ", ".join(map(bare, dimension.keys))


def distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    """Return what may be suggested for a dimension."""
    from optuna import distributions

    if isinstance(dimension, Interval):
        if dimension.whole:
            return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
        return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    if dimension.steps is None:
        return distributions.CategoricalDistribution([", ".join(v) for v in dimension.values])
    low, high, step = dimension.steps
    if all(n == int(n) for n in dimension.steps):
        return distributions.IntDistribution(int(low), int(high), step=int(step))
    return distributions.FloatDistribution(low, high, step=step)


def suggest(trial: optuna.Trial, dimension: Dimension) -> Chosen:
    """Return the value that a trial is to have."""
    from optuna import distributions

    found, key = distribution(dimension), name(dimension)
    if isinstance(found, distributions.CategoricalDistribution):
        return chosen(dimension, trial.suggest_categorical(key, found.choices))
    if isinstance(found, distributions.IntDistribution):
        return chosen(
            dimension, trial.suggest_int(key, found.low, found.high, step=found.step, log=found.log)
        )
    return chosen(dimension, trial.suggest_float(key, found.low, found.high, step=found.step, log=found.log))


def chosen(dimension: Dimension, value: Any) -> Chosen:
    """Return a suggested value as one types it."""
    if isinstance(dimension, Interval):
        return dimension.at(value)
    if dimension.steps is None:
        return dimension.at(next(v for v in dimension.values if ", ".join(v) == value))
    return dimension.at(min(dimension.values, key=lambda v: abs(float(v[0]) - value)))


def known(dimension: Dimension, typed: Chosen) -> tuple[Any, optuna.distributions.BaseDistribution]:
    """Return a typed value as Optuna has it, and what might have been suggested."""
    from optuna import distributions

    found, texts = distribution(dimension), [typed[bare(k)] for k in dimension.keys]
    if isinstance(found, distributions.CategoricalDistribution):
        return ", ".join(texts), found
    return (int if isinstance(found, distributions.IntDistribution) else float)(texts[0]), found
