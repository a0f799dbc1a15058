"""Overrides as they are typed: which key one sets, and what it concerns."""

from __future__ import annotations

# Keys, and the groups below one, that concern the sweep and not its trials.
_ABOUT = ("sweep", "seeds")


def key(override: str) -> str:
    """Return what an override sets."""
    return override.partition("=")[0].lstrip("+~").strip()


def is_about_the_sweep(override: str) -> bool:
    """Tell whether an override concerns the sweep only, and is no part of what a trial is."""
    return key(override).replace("/", ".").partition(".")[0] in _ABOUT


def is_seed(override: str) -> bool:
    """Tell whether an override sets the seed: all else the same, trials are replicates of one setting."""
    return key(override) == "seed"


def is_hydra(override: str) -> bool:
    """Tell whether an override is for Hydra itself."""
    return override.lstrip("+~").startswith(("hydra.", "hydra/"))
