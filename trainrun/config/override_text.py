"""Overrides as typed: the key of one, and whether it concerns the sweep, the seed or Hydra."""

from __future__ import annotations

# Keys, and the groups below one, that concern the sweep and not its trials.
_ABOUT = ("sweep", "seeds")
# Keys in which the replicates of a setting differ.
REPLICATES = ("seed", "data.fold")


def key(override: str) -> str:
    """Return the key that an override sets."""
    return override.partition("=")[0].lstrip("+~").strip()


def is_about_the_sweep(override: str) -> bool:
    """Return whether an override concerns the sweep only, not its trials."""
    return key(override).replace("/", ".").partition(".")[0] in _ABOUT


def is_about_folds(override: str) -> bool:
    """Return whether an override chooses folds, of which a model that is trained for use has none."""
    return key(override) in ("data.fold", "data.folds")


def is_replicate(override: str) -> bool:
    """Return whether an override sets the seed or the fold; trials that differ in these only are replicates of one setting."""
    return key(override) in REPLICATES


def is_hydra(override: str) -> bool:
    """Return whether an override is for Hydra itself."""
    return override.lstrip("+~").startswith(("hydra.", "hydra/"))
