"""Optuna's samplers by name: their settings, requirements and limits."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trainrun.compat import optuna_private
from trainrun.errors import Problem, did_you_mean

if TYPE_CHECKING:
    import optuna

# name -> the keys of `conf/hydra/sweeper/optuna.yaml` that it takes.
SAMPLERS: dict[str, tuple[str, ...]] = {
    "tpe": ("n_startup_trials",),
    "cmaes": ("n_startup_trials",),
    "gp": ("n_startup_trials",),
    "nsgaii": ("population_size",),
    "nsgaiii": ("population_size",),
    "qmc": (),
    "random": (),
}
# Name -> when to use it, and its publication.
MEANING = {
    "tpe": "Any space, one objective or several: good and bad points as two densities (Watanabe, Tree-Structured Parzen Estimator, 2023).",
    "cmaes": "Numbers only, a few hundred trials: an adapted normal distribution (Hansen and Ostermeier, CMA-ES, 2001).",
    "gp": "Few, expensive trials: a Gaussian process with expected improvement; needs torch.",
    "nsgaii": "Several objectives: an evolving population (Deb and others, NSGA-II, 2002).",
    "nsgaiii": "Three objectives and more: NSGA-II with reference points (Deb and Jain, NSGA-III, 2014).",
    "qmc": "Cover the space evenly: Sobol's sequence, more even than chance.",
    "random": "Independent points: a reference to hold the others against.",
}
ONE_OBJECTIVE = ("cmaes",)
# sampler -> the package that it needs, and how to get it
NEEDS = {"cmaes": ("cmaes", "cmaes"), "gp": ("torch", "'trainrun[gp]'")}


def named(spec: Mapping[str, Any], several: bool) -> str:
    """Return the sampler's name: by default tpe, with several objectives nsgaii."""
    return spec.get("sampler") or ("nsgaii" if several else "tpe")


def problems(spec: Mapping[str, Any], several: bool) -> Iterator[Problem]:
    """Yield the problems of the settings of `hydra/sweeper=optuna`.

    Args:
        spec: the settings.
        several: whether there are several objectives.
    """
    name = named(spec, several)
    if name not in SAMPLERS:
        hint = did_you_mean(str(name), SAMPLERS)
        yield Problem("hydra.sweeper.sampler", f"expected one of {', '.join(SAMPLERS)}, got {name!r}.{hint}")
        return
    for key in ("n_startup_trials", "population_size"):
        value, users = spec.get(key), [n for n, takes in SAMPLERS.items() if key in takes]
        if value is not None and name not in users:
            yield Problem(f"hydra.sweeper.{key}", f"it is a setting of {', '.join(users)}, not of {name}.")
        elif value is not None and value < (least := 2 if key == "population_size" else 1):
            yield Problem(f"hydra.sweeper.{key}", f"expected at least {least}, got {value}.")
    if (seed := spec.get("seed")) is not None and not 0 <= seed < 2**32:
        yield Problem("hydra.sweeper.seed", f"expected 0 to {2**32 - 1}, got {seed}.")
    if spec.get("batch_size") is not None and spec["batch_size"] < 1:
        yield Problem("hydra.sweeper.batch_size", f"expected at least 1, got {spec['batch_size']}.")
    if several and name in ONE_OBJECTIVE:
        yield Problem(
            "hydra.sweeper.sampler",
            f"{name} knows one objective only; there are several. Take nsgaii or tpe.",
        )
    package, how = NEEDS.get(name, ("", ""))
    if package and importlib.util.find_spec(package) is None:
        yield Problem(
            "hydra.sweeper.sampler", f"{name} needs the package {package}. Install it: pip install {how}"
        )


def make(
    spec: Mapping[str, Any], seed: int, number: int, trials: int, several: bool
) -> optuna.samplers.BaseSampler:
    """Return the sampler that suggests one trial.

    It is created for each trial, from the seed and the trial's number: its suggestion depends on these and the study only, so
    that a study that was killed continues as if it had not been. What a sampler remembers (the generations of CMA-ES and NSGA,
    the place in Sobol's sequence) Optuna keeps in the study.

    Args:
        spec: the settings of the sweeper.
        seed: of the study.
        number: of the trial, in the study.
        trials: their number.
        several: whether there are several objectives.
    """
    import numpy as np
    import optuna
    from optuna import samplers

    name = named(spec, several)
    own = int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])
    startup = spec.get("n_startup_trials")
    begin = {} if startup is None else {"n_startup_trials": startup}
    # With Optuna's default, 50 trials would be one generation, drawn at random.
    population = spec.get("population_size") or min(50, max(8, trials // 5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return samplers.TPESampler(seed=own, **begin)
        if name == "cmaes":
            return optuna_private.cma_es(seed=own, warn_independent_sampling=False, **begin)
        if name == "gp":
            return samplers.GPSampler(seed=own, warn_independent_sampling=False, **begin)
        if name == "nsgaii":
            return samplers.NSGAIISampler(seed=own, population_size=population)
        if name == "nsgaiii":
            return samplers.NSGAIIISampler(seed=own, population_size=population)
        if name == "qmc":  # the sequence's seed is that of the study; so is that of the first, random point
            return samplers.QMCSampler(
                seed=seed, scramble=True, warn_independent_sampling=False, warn_asynchronous_seeding=False
            )
        return samplers.RandomSampler(seed=own)
