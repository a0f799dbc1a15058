"""Racing: settings that are clearly worse than the best get no further seeds.

Maron and Moore, Hoeffding Races, 1994; Birattari and others, A Racing Algorithm for Configuring Metaheuristics, 2002; irace,
López-Ibáñez and others, 2016. After each trial, settings with two seeds or more are compared with the best one by a
one-sided Welch's t-test.
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

# Significance level of the test. It is repeated after every seed, and the best setting is the best partly by luck, so it is
# stricter than the usual 0.05.
LEVEL = 0.01
MIN_SEEDS = 2  # of each of two settings that are compared


@dataclass(eq=False)
class Race:
    """The state of a setting.

    Args:
        setting: with the trials that have begun.
        typed: its overrides from its source, Hydra's own included.
        asked: the trials by which its source knows it.
        waiting: its remaining seeds.
        running: numbers of its trials that run.
        numbers: of its trials, by seed.
        values: of its finished seeds.
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
    """Compares settings, and eliminates those that are clearly worse.

    Args:
        objective, direction: as in the config.
        say: prints one line to the user.
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
        """Eliminate the settings that are clearly worse than the best.

        Args:
            races: all settings.
            ended: the one whose trial has ended; None: compare all.
        """
        goal = self._goal(races)
        if goal.others:  # one of several objectives alone does not decide
            return
        name, changed = goal.name, ended is None or goal != self._asked_for
        self._asked_for = goal
        # A sweep may have thousands of settings: only changed ones are compared again.
        for race in races if changed else [ended]:
            race.values = race.setting.values(name)
            if any(t.status == "PRUNED" for t in race.setting.trials):
                race.values = []
        having = [r for r in races if len(r.values) >= MIN_SEEDS]
        if not having:
            return
        best = (max if goal.maximize else min)(having, key=lambda r: statistics.fmean(r.values))
        for race in having if changed or best is ended or best is not self._best else [ended]:
            if race.waiting and race is not best and len(race.values) >= MIN_SEEDS:
                self._compare(race, best, goal)
        self._best = best

    def _compare(self, race: Race, best: Race, goal: Objective) -> None:
        worse, better = (best, race) if goal.maximize else (race, best)
        p = seed_replicates.welch(worse.values, better.values, "greater")
        if p < LEVEL:
            name = seed_replicates.replicate_name(race.setting.trials)
            mean, top = statistics.fmean(race.values), statistics.fmean(best.values)
            self._out(
                race,
                f"{goal.name} {mean:.4g} after {len(race.values)} {name}s is clearly worse than {top:.4g} of "
                f"{' '.join(best.setting.varied) or 'another'} (p = {p:.1g})",
            )

    def give_up(self, race: Race) -> None:
        """Eliminate a setting if one of its seeds was pruned or diverged: it cannot win any more."""
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
        name = seed_replicates.replicate_name(race.setting.trials) + "s" * (left > 1)
        self._say(f"{' '.join(race.setting.varied) or 'default'}: {left} {name} not begun: {why}")

    def _goal(self, races: Collection[Race]) -> Objective:
        return Objective.of(self._objective, self._direction, [t for r in races for t in r.setting.trials])
