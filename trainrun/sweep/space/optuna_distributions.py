"""A sweep's dimensions as Optuna distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainrun.sweep.space.search_space import Chosen, Dimension, Interval, bare

if TYPE_CHECKING:
    import optuna


def name(dimension: Dimension) -> str:
    """Return a parameter's name: the key, or all keys that vary together."""
    return ", ".join(map(bare, dimension.keys))


def distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    """Return the distribution of a dimension."""
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
    """Return the value that Optuna suggests to a trial."""
    from optuna import distributions

    kind, key = distribution(dimension), name(dimension)
    if isinstance(kind, distributions.CategoricalDistribution):
        return chosen(dimension, trial.suggest_categorical(key, kind.choices))
    if isinstance(kind, distributions.IntDistribution):
        return chosen(dimension, trial.suggest_int(key, kind.low, kind.high, step=kind.step, log=kind.log))
    return chosen(dimension, trial.suggest_float(key, kind.low, kind.high, step=kind.step, log=kind.log))


def chosen(dimension: Dimension, value: Any) -> Chosen:
    """Return a suggested value as typed in an override."""
    if isinstance(dimension, Interval):
        return dimension.at(value)
    if dimension.steps is None:
        return dimension.at(next(v for v in dimension.values if ", ".join(v) == value))
    return dimension.at(min(dimension.values, key=lambda v: abs(float(v[0]) - value)))


def known(dimension: Dimension, typed: Chosen) -> tuple[Any, optuna.distributions.BaseDistribution]:
    """Return a typed value as Optuna's, and its distribution."""
    from optuna import distributions

    kind, texts = distribution(dimension), [typed[bare(k)] for k in dimension.keys]
    if isinstance(kind, distributions.CategoricalDistribution):
        return ", ".join(texts), kind
    return (int if isinstance(kind, distributions.IntDistribution) else float)(texts[0]), kind
