"""Whether a sweep ranks by losses that are not the same measure: of other functions, or of targets in other units."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.config import override_text
from trainrun.registry import direction
from trainrun.sweep.objective import Objective
from trainrun.sweep.trial import Trial

# Keys by which a loss measures another thing, and groups below which all keys do.
KEYS = ("data.target", "data.task", "data.standardize_target")
GROUPS = ("loss", "loss_weights", "data.target_transform")


def notice(name: str, ranked: Sequence[Trial], objective: Objective) -> str | None:
    """Return a sentence if a sweep's trials with a rank differ in what the loss that ranks them measures, else None."""
    names = [o.name for o in objective.all if _is_loss(o.name)]
    varied = _varied(ranked) if names else []
    if not varied:
        return None
    others = [name for name in ranked[0].metrics if name.startswith("val_") and not _is_loss(name)]
    way_out = f": trainrun best {name} --objective {others[0]}" if others else ""
    return (
        f"the trials differ in {', '.join(varied)}, so {names[0]} is not the same measure in each, and this order does not say "
        f"which is better. Rank by a metric{way_out}."
    )


def _is_loss(name: str) -> bool:
    return direction.bare(name).rpartition("_")[2] == "loss"


def _varied(trials: Sequence[Trial]) -> list[str]:
    """Return the keys of a loss's meaning in which trials differ."""
    settings = [
        {
            key: override
            for override in trial.overrides
            if _is_about_losses(key := override_text.key(override))
        }
        for trial in trials
    ]
    keys = dict.fromkeys(key for of_trial in settings for key in of_trial)
    return [key for key in keys if len({of_trial.get(key) for of_trial in settings}) > 1]


def _is_about_losses(key: str) -> bool:
    return key in KEYS or any(key == group or key.startswith((f"{group}.", f"{group}@")) for group in GROUPS)
