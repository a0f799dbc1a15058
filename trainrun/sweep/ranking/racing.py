"""Which settings get no further seeds: those that are clearly worse than the best, as in racing.

Maron and Moore, Hoeffding Races, 1994; Birattari and others, A Racing Algorithm for Configuring Metaheuristics, 2002; irace,
López-Ibáñez and others, 2016. After each trial that ends, settings with two seeds or more are held against the best one by a
one-sided t-test (Welch's).
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.space.trial_source import Point
from trainrun.sweep.trial import Trial

# A setting is out when it would look as bad as this with this probability if it were as good as the best one. It is asked
# again after every seed, and the best one is the best partly by luck: hence stricter than the usual 0.05.
OUT = 0.01
ENOUGH = 2  # seeds of each, before two settings are compared


@dataclass(eq=False)
class Race:
    """A setting on its way.

    Args:
        setting: its trials, as far as they have begun.
        typed: its overrides as its maker gave them, Hydra's own included.
        asked: what its maker knows it as.
        waiting: its seeds to come.
        running: numbers of its trials that run.
        numbers: of its trials, seed by seed.
        values: what its finished seeds have come to.
        cut: whether the sweep was stopped before all of its seeds had begun.
    """

    setting: seed_replicates.Setting
    typed: list[str] = field(default_factory=list)
    asked: list[Trial] = field(default_factory=list)
    waiting: deque[Point] = field(default_factory=deque)
    running: set[int] = field(default_factory=set)
    numbers: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    cut: bool = False

    @property
    def over(self) -> bool:
        return not self.waiting and not self.running


class Comparison:
    """Gives settings up.

    Args:
        objective, direction: as in the config.
        say: says one line to the user.
    """

    def __init__(
        self,
        objective: str | Sequence[str] | None,
        direction: str | Sequence[str],
        say: Callable[[str], None],
    ):
        self._objective, self._direction, self._say = objective, direction, say
        self._asked_for: Objective | None = None
        self._best: Race | None = None

    def look(self, races: Collection[Race], ended: Race | None = None) -> None:
        """Give up the settings that are clearly worse than the best.

        Args:
            races: all settings.
            ended: whose trial has ended; None: look at all.
        """
        goal = self._goal(races)
        if goal.others:  # none of several objectives says alone what is worse
            return
        name, changed = goal.name, ended is None or goal != self._asked_for
        self._asked_for = goal
        # A sweep may have thousands of settings: only what has changed is looked at anew.
        for race in races if changed else [ended]:
            race.values = race.setting.values(name)
            if any(t.status == "PRUNED" for t in race.setting.trials):
                race.values = []
        having = [r for r in races if len(r.values) >= ENOUGH]
        if not having:
            return
        best = (max if goal.maximize else min)(having, key=lambda r: statistics.fmean(r.values))
        for race in having if changed or best is ended or best is not self._best else [ended]:
            if race.waiting and race is not best and len(race.values) >= ENOUGH:
                self._hold_against(race, best, goal)
        self._best = best

    def _hold_against(self, race: Race, best: Race, goal: Objective) -> None:
        worse, better = (best, race) if goal.maximize else (race, best)
        chance = seed_replicates.welch(worse.values, better.values, "greater")
        if chance < OUT:
            mean, top = statistics.fmean(race.values), statistics.fmean(best.values)
            self._out(
                race,
                f"{goal.name} {mean:.4g} after {len(race.values)} seeds is clearly worse than {top:.4g} of "
                f"{' '.join(best.setting.varied) or 'another'} (p = {chance:.1g})",
            )

    def give_up(self, race: Race) -> None:
        """Give up a setting of which a seed was pruned, or came to no number: it cannot win any more."""
        if not race.waiting:
            return
        if bad := race.setting.diverged:
            self._out(race, f"trial {bad.number} came to no number")
        elif pruned := next((t for t in race.setting.trials if t.status == "PRUNED"), None):
            self._out(race, f"trial {pruned.number} was pruned")

    def _out(self, race: Race, why: str) -> None:
        left = len(race.waiting)
        race.waiting.clear()
        race.setting.note = why
        seeds = "1 seed" if left == 1 else f"{left} seeds"
        self._say(f"{' '.join(race.setting.varied) or 'default'}: {seeds} not begun: {why}")

    def _goal(self, races: Collection[Race]) -> Objective:
        return Objective.of(self._objective, self._direction, [t for r in races for t in r.setting.trials])
