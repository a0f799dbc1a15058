"""One setting with several seeds or folds: its trials, their mean with a confidence interval, and a test of whether two settings differ.

Pure functions of numbers. Of scipy only `special` is imported, when a probability is computed: `stats` takes a second to import.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trainrun.config.override_text import REPLICATES, is_replicate, key
from trainrun.sweep.objective import Objective
from trainrun.sweep.trial import RUNNING, WAITING, Trial

CONFIDENCE = 0.95  # of the intervals
DISTINGUISHED = 0.05  # a p-value below it: two settings differ
# The reason of a run whose loss became NaN or infinite (trainrun/failure): such a setting does not win by its other seeds.
_DIVERGED = re.compile(r"\bbecame (nan|-?inf)")


def grouped(settings: Mapping[str, Any]) -> bool:
    """Return whether a sweep has trials that differ by seed or fold only: by ``seeds=5``, ``seed=1,2,3`` or ``data.folds=5``."""
    return bool(settings.get("seeds")) or not frozenset(REPLICATES).isdisjoint(settings["varying"])


def replicated(trials: Iterable[Trial]) -> bool:
    """Return whether trials of a sweep differ by seed or fold."""
    return any(is_replicate(o) for t in trials for o in t.varied)


def replicate_name(trials: Iterable[Trial]) -> str:
    """Return what a trial of a setting is called: `fold` where its trials differ by fold, of one seed or several; otherwise `seed`."""
    keys = {key(o) for t in trials for o in t.varied if is_replicate(o)}
    return "fold" if "data.fold" in keys else "seed"


@dataclass
class Setting:
    """The overrides of a trial without its seed, and the trials that share them.

    Args:
        overrides: without the seed's.
        trials: in the order of their numbers.
        note: a remark for the leaderboard.
    """

    overrides: list[str]
    trials: list[Trial] = field(default_factory=list)
    note: str = ""

    @property
    def number(self) -> int:
        """The number of its first trial, which decides between equal settings."""
        return min((t.number for t in self.trials), default=0)

    @property
    def varied(self) -> list[str]:
        """Its varied overrides, without the seed."""
        return [o for o in self.trials[0].varied if not is_replicate(o)] if self.trials else []

    @property
    def diverged(self) -> Trial | None:
        """The first trial whose loss became NaN or infinite."""
        return next((t for t in self.trials if diverged(t)), None)

    @property
    def finished(self) -> list[Trial]:
        """The finished trials, one for each seed and fold: a repeated one adds no information."""
        by_key: dict[tuple[str, ...], Trial] = {}
        for trial in self.trials:
            if trial.status == "FINISHED":
                by_key.setdefault(tuple(sorted(filter(is_replicate, trial.overrides))), trial)
        return list(by_key.values())

    def values(self, objective: str) -> list[float]:
        """Return the finished trials' values; none at all if one has diverged."""
        if self.diverged is not None:
            return []
        having = [t for t in self.finished if objective in t.metrics or objective in t.figures]
        values = [t.value(objective) for t in having]
        return [] if None in values else values

    def together(self, number: int | None = None) -> Trial:
        """Return the setting as one trial whose metrics are the means over its finished seeds.

        Args:
            number: of the result; None: the setting's.
        """
        finished, bad = self.finished, self.diverged
        status, reason = "FINISHED", None
        if bad is not None:
            status, reason = "FAILED", bad.reason or f"trial {bad.number} came to no number"
        elif pruned := next((t for t in self.trials if t.status == "PRUNED"), None):
            status, reason = "PRUNED", pruned.reason
        elif not finished:
            last = next((t for t in self.trials if t.status not in (WAITING, RUNNING)), None)
            status, reason = (last.status, last.reason) if last else (WAITING, None)
        return replace(
            self.trials[0],
            number=self.number if number is None else number,
            overrides=list(self.overrides),
            varied=self.varied,
            status=status,
            reason=reason,
            metrics=_means([t.metrics for t in finished]),
            figures=_means([t.figures for t in finished]),
            seconds=sum(t.seconds for t in self.trials),
            epochs=max(t.epochs for t in self.trials),
        )


def _means(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each number that all tables have."""
    names = [n for n in tables[0] if all(n in t for t in tables)] if tables else []
    return {n: statistics.fmean(float(t[n]) for t in tables) for n in names}


def diverged(trial: Trial) -> bool:
    """Return whether a trial has ended with a loss that is NaN or infinite."""
    if trial.status == "FINISHED":
        return any(not math.isfinite(v) for k, v in trial.metrics.items() if k in ("loss", "val_loss"))
    return trial.status == "FAILED" and bool(_DIVERGED.search((trial.reason or "").partition("\n")[0]))


def group(trials: Iterable[Trial]) -> list[Setting]:
    """Return the settings of trials, in the order of their first numbers."""
    by_key: dict[tuple[str, ...], Setting] = {}
    for trial in sorted(trials, key=lambda t: t.number):
        one = by_key.setdefault(trial.setting, Setting([o for o in trial.overrides if not is_replicate(o)]))
        one.trials.append(trial)
    return list(by_key.values())


def ranked(settings: Sequence[Setting], objective: Objective) -> list[Setting]:
    """Return the settings that have a mean, the best first; one that was pruned or diverged has no rank."""
    of = {setting.number: setting for setting in settings if setting.trials}
    return [of[t.number] for t in objective.ranked([s.together() for s in of.values()])]


def median(setting: Setting, objective: Objective) -> Trial:
    """Return the setting's median trial; of two, the better.

    It represents the setting: the best seed's value is partly luck, which training the setting again does not repeat.
    """
    trials = Objective(objective.name, objective.maximize).ranked(setting.finished)
    return trials[(len(trials) - 1) // 2]


def prepare() -> None:
    """Import scipy's functions for intervals and tests while the sweep waits for TensorFlow, instead of at its end."""
    import scipy.special  # noqa: F401


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Return the mean's confidence interval by Student's t; None for fewer than two values.

    ``mean ± t(1 - (1 - confidence) / 2, n - 1) · s / √n``, which assumes values from a normal
    distribution.
    """
    if len(values) < 2:
        return None
    from scipy.special import stdtrit

    mean, half = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    half *= float(stdtrit(len(values) - 1, 0.5 + confidence / 2))
    return mean - half, mean + half


def welch(a: Sequence[float], b: Sequence[float], alternative: str = "two-sided") -> float:
    """Return the p-value of Welch's t-test, which does not assume equal variances.

    Reference: B. L. Welch, The generalization of 'Student's' problem when several different population variances are
    involved, Biometrika 34, 1947.

    Args:
        a, b: values, at least two each; with fewer the result is 1.
        alternative: ``two-sided``: the means differ; ``greater``: that of `a` is greater.
    """
    if min(len(a), len(b)) < 2:
        return 1.0
    from scipy.special import stdtr

    share_a, share_b = statistics.variance(a) / len(a), statistics.variance(b) / len(b)
    apart = statistics.fmean(a) - statistics.fmean(b)
    if share_a + share_b == 0:  # no variance: the means are exact
        sure = apart > 0 if alternative == "greater" else apart != 0
        return 0.0 if sure else 1.0
    freedom = (share_a + share_b) ** 2 / (share_a**2 / (len(a) - 1) + share_b**2 / (len(b) - 1))
    score = apart / math.sqrt(share_a + share_b)
    return float(stdtr(freedom, -score) if alternative == "greater" else 2 * stdtr(freedom, -abs(score)))
