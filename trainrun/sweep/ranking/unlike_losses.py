"""Whether a sweep ranks by what is not the same measure: losses of other functions or targets in other units, or other held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trainrun.config import override_text
from trainrun.registry import direction
from trainrun.sweep.objective import Objective
from trainrun.sweep.trial import Trial

# Keys by which a loss measures another thing, and groups below which all keys do.
KEYS = ("data.target", "data.task", "data.standardize_target")
GROUPS = ("loss", "loss_weights", "data.target_transform")
# Keys that decide which rows are held out, where no file of their own has them.
ROWS = ("data.path", "data.validation", "data.test", "data.split", "data.group", "data.time", "data.part")
OWN_FILE = "data.validation_path"


def notice(name: str, ranked: Sequence[Trial], objective: Objective) -> str | None:
    """Return a sentence if a sweep's trials with a rank differ in what the loss that ranks them measures, or in the rows, else None."""
    rows = _varied(ranked, lambda key: key in (*ROWS, OWN_FILE))
    if rows and (OWN_FILE in rows or not any(override_text.key(o) == OWN_FILE for o in ranked[0].overrides)):
        return (
            f"the trials differ in {', '.join(rows)}, so they are measured on other rows, and this order does not say which is better. "
            "Hold out the same rows for all: data.validation_path=FILE."
        )
    names = [o.name for o in objective.all if _is_loss(o.name)]
    varied = _varied(ranked, _is_about_losses) if names else []
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


def _varied(trials: Sequence[Trial], is_about: Callable[[str], bool]) -> list[str]:
    """Return the keys of some kind in which trials differ."""
    settings = [
        {key: override for override in trial.overrides if is_about(key := override_text.key(override))}
        for trial in trials
    ]
    keys = dict.fromkeys(key for of_trial in settings for key in of_trial)
    return [key for key in keys if len({of_trial.get(key) for of_trial in settings}) > 1]


def _is_about_losses(key: str) -> bool:
    return key in KEYS or any(key == group or key.startswith((f"{group}.", f"{group}@")) for group in GROUPS)
