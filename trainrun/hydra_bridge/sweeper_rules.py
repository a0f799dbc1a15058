"""Settings of `hydra.sweeper`, where the sweeper is one of ours: its keys are those of `conf/hydra/sweeper/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.errors import Problem, did_you_mean
from trainrun.registry import option_files

GROUP = "hydra/sweeper"
# Whole numbers, or null for what the comment in the YAML says.
COUNTS = ("seed", "n_startup_trials", "population_size", "batch_size")
TEXTS = ("storage", "study_name")


def problems(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the settings of a sweeper of ours by themselves.

    Args:
        spec: `name` and settings, as a sweep records them.
    """
    name = spec["name"]
    known = option_files.packaged(GROUP)[name].values
    for key, value in spec.items():
        # `seed` is filled in, and `overrides` is what was typed.
        if key in ("name", "overrides") or (key == "seed" and key not in known):
            continue
        where = f"hydra.sweeper.{key}"
        if key not in known:
            takes = ", ".join(known)
            yield Problem(
                where, f"no such key in {GROUP}={name}.{did_you_mean(key, known)} It takes {takes}."
            )
        elif key in COUNTS and value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            yield Problem(where, f"expected a whole number, got {value!r}.")
        elif key in TEXTS and value is not None and not isinstance(value, str):
            yield Problem(where, f"expected text, got {value!r}.")
