"""Sweeps beside one another: what they tried, what they reached, and whether their best settings can be distinguished."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainrun.artifacts.svg_chart import number
from trainrun.config.override_text import REPLICATES
from trainrun.errors import UserError
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.ranking.seed_replicates import Setting
from trainrun.sweep.trial import Trial
from trainrun.sweep.view import marginal_plots, overview
from trainrun.util import finite, redaction
from trainrun.util.durations import text as duration


@dataclass(frozen=True)
class CompletedSweep:
    """A sweep's trials and the setting that leads.

    Args:
        folder: of the sweep.
        trials: that have begun.
        objective: of the ranking.
        best: the best setting.
    """

    folder: Path
    trials: Sequence[Trial]
    objective: Objective
    best: Setting

    @classmethod
    def read(cls, folder: Path) -> CompletedSweep:
        """Return a recorded sweep.

        Raises:
            UserError: nothing ranks its trials.
        """
        state = overview.of(folder)
        ranked = (
            seed_replicates.ranked(seed_replicates.group(state.trials), state.objective)
            if state.objective
            else []
        )
        if state.objective is None or not ranked:
            raise UserError(f"no trial of {folder} is finished, or nothing ranks them.")
        return cls(folder, state.trials, state.objective, ranked[0])

    @property
    def values(self) -> list[float]:
        """The objective of the best setting, one value a seed or fold."""
        return self.best.values(self.objective.name)

    def facts(self) -> dict[str, Any]:
        """Return what can be compared with other sweeps, as texts by name."""
        name, counts = self.objective.name, Counter(t.status.lower() for t in self.trials)
        reached = [v for t in self.trials if t.status == "FINISHED" and (v := t.value(name)) is not None]
        return {
            "sweep": self.folder.name,
            "trials": f"{len(self.trials):,}: {', '.join(f'{n:,} {word}' for word, n in sorted(counts.items()))}",
            "time of all trials": duration(sum(t.seconds for t in self.trials)),
            "objective": f"{'largest' if self.objective.maximize else 'least'} {name}",
            **{f"searched {key}": text for key, text in _space(self.trials).items()},
            f"best {name}": number(statistics.fmean(self.values)),
            f"median {name}": number(statistics.median(reached)),
            "best setting": " ".join(redaction.words(self.best.varied)) or "default",
        }

    def best_so_far(self) -> list[float]:
        """Return the best value after each finished trial, in the order of their numbers."""
        ended = sorted((t for t in self.trials if t.status == "FINISHED"), key=lambda t: t.number)
        values = [v for t in ended if (v := t.value(self.objective.name)) is not None]
        return [*itertools.accumulate(values, max if self.objective.maximize else min)]


def _space(trials: Sequence[Trial]) -> dict[str, str]:
    """Return what the trials tried of each key that differs among them: a range of numbers, or the values."""
    tried = {}
    for key, typed in marginal_plots.varied(trials).items():
        if key in REPLICATES:
            continue
        values = {str(redaction.under(key, t)): finite.number(t) for t in typed if t is not None}
        figures = [v for v in values.values() if v is not None]
        if len(figures) == len(values) > marginal_plots.FEW:
            tried[key] = f"{len(figures)} from {number(min(figures))} to {number(max(figures))}"
        else:
            tried[key] = ", ".join(sorted(values, key=lambda v: (values[v] is None, values[v] or 0.0, v)))
    return tried


def progress(sweeps: Sequence[CompletedSweep]) -> dict[str, list[list[float]]]:
    """Return the best value so far of each sweep by trial, if they have one objective."""
    if not _alike(sweeps):
        return {}
    return {f"best {sweeps[0].objective.name} so far": [sweep.best_so_far() for sweep in sweeps]}


def verdicts(sweeps: Sequence[CompletedSweep]) -> Iterator[str]:
    """Yield, of each sweep but the first, whether its best setting differs from the first one's: by Welch's test over seeds or folds."""
    if not _alike(sweeps):
        return
    first = sweeps[0]
    for sweep in sweeps[1:]:
        name, counts = sweep.objective.name, [len(first.values), len(sweep.values)]
        if min(counts) < 2:
            text = "single runs, whose difference may be chance; seeds=3 trains each setting three times"
        else:
            p = seed_replicates.welch(first.values, sweep.values)
            clear = p < seed_replicates.DISTINGUISHED
            text = f"Welch's p {p:.2g} over {counts[0]} and {counts[1]} seeds or folds: {'' if clear else 'no '}difference"
        yield f"best {name}, {sweep.folder.name} against {first.folder.name}: {text}."


def _alike(sweeps: Sequence[CompletedSweep]) -> bool:
    return bool(sweeps) and len({(s.objective.name, s.objective.maximize) for s in sweeps}) == 1
