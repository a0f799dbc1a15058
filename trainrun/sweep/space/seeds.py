"""`seeds: 5`, `data.folds: 5`: every setting is trained with several seeds and on each fold; the source of the settings gets one
result for each.

Settings that are clearly worse get no further seeds (`racing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trainrun.config.override_text import is_hydra, is_replicate
from trainrun.errors import Problem, UserError
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.ranking.racing import Comparison, Race
from trainrun.sweep.space.trial_source import Compose, Listed, Point, Points
from trainrun.sweep.trial import Trial
from trainrun.ui import console


class Seeded:
    """The trials of settings from another source, each with several seeds or folds.

    Args:
        settings: the source of the settings; its own points are never prepared, and it gets one result for each.
        replicates: overrides of each trial of a setting: its seed, its fold.
        begin: composes a trial, and makes its directory.
        objective, direction: as in the config.
        planned: called with the numbers and overrides of further trials, before the first of them begins.
        say: prints one line to the user.
        next_number: of the first new trial.
        earlier: ended trials of earlier attempts.
        again: trials of earlier attempts to continue or begin.
        repeated: how many of `settings`' points are settings of earlier attempts.
    """

    def __init__(
        self,
        settings: Points,
        replicates: Sequence[Sequence[str]],
        begin: Compose,
        objective: str | Sequence[str] | None = None,
        direction: str | Sequence[str] = "auto",
        planned: Callable[[list[tuple[int, list[str]]]], None] = lambda points: None,
        say: Callable[[str], None] = lambda text: None,
        next_number: int = 0,
        earlier: Iterable[Trial] = (),
        again: Iterable[tuple[Trial, Point]] = (),
        repeated: int = 0,
    ):
        self._settings, self._replicates, self._begin = settings, replicates, begin
        self._planned, self._next = planned, next_number
        self._comparison = Comparison(objective, direction, say)
        self._races: dict[tuple[str, ...], Race] = {}
        self._of: dict[int, Race] = {}
        self._recall(earlier, again)
        # Settings that are known from the beginning run side by side, so that bad ones are out soon. Where one is made of
        # what the others came to, each is brought to its end first: only then its maker learns anything.
        self._abreast = isinstance(settings, Listed)
        if self._abreast:
            self._pull()
        self.total: int | None = self._total(repeated)

    def take(self) -> Point | None:
        """Return the next trial: of the concurrent settings the one with the fewest seeds, else of the first open one."""
        race = self._next_race()
        while race is None and not self._abreast and self._pull(1):
            race = self._next_race()  # none yet if that setting has been trained already
        if race is None:
            return None
        point = race.waiting.popleft()
        race.running.add(point.number)
        self._of[point.number] = race
        return Point(point.number, lambda: self._prepare(race, point), point.resume, point.overrides)

    @property
    def left(self) -> bool:
        """Whether more may come."""
        return any(r.waiting for r in self._races.values()) or self._settings.left

    def epoch_done(self, trial: Trial, epoch: int, metrics: dict[str, float]) -> None:
        """Pass the reports of a setting's first seed to its source."""
        race = self._of.get(trial.number)
        if race is not None and race.setting.trials[0] is trial:
            for asked in race.asked:
                self._settings.epoch_done(asked, epoch, metrics)

    def ended(self, trial: Trial) -> None:
        """Record a trial's end; after the last seed of a setting its source gets the result."""
        race = self._of.get(trial.number)
        if race is None:
            return
        race.running.discard(trial.number)
        if not any(t is trial for t in race.setting.trials):  # it could not even be composed
            race.setting.trials.append(trial)
        self._comparison.give_up(race)
        self._comparison.look(self._races.values(), race)
        for one in self._races.values():
            if one.asked and one.over:
                self._tell(one)

    def close(self) -> None:
        """Stop: no more trials begin."""
        self._settings.close()
        for race in self._races.values():
            race.cut |= bool(race.waiting)
            race.waiting.clear()

    def _next_race(self) -> Race | None:
        open_ = [r for r in self._races.values() if r.waiting]
        if not open_:
            return None
        return min(open_, key=lambda r: r.numbers.index(r.waiting[0].number)) if self._abreast else open_[0]

    def _prepare(self, race: Race, point: Point) -> Trial:
        trial = point.prepare()
        race.setting.trials.append(trial)
        race.setting.trials.sort(key=lambda t: t.number)
        return trial

    def _pull(self, most: int | None = None) -> int:
        """Take settings from their source, and plan their seeds; known settings are not trained again.

        Returns:
            Their number.
        """
        new: list[Race] = []
        while (most is None or len(new) < most) and (point := self._settings.take()) is not None:
            typed = [o for o in point.overrides or () if not is_replicate(o)]
            own = [o for o in typed if not is_hydra(o)]
            asked = Trial(point.number, own, own, Path(), {})
            race = self._races.setdefault(asked.setting, Race(seed_replicates.Setting(own)))
            race.typed = typed
            race.asked.append(asked)
            new.append(race)
        self._plan(new)
        for race in new:
            self._tell(race)
        return len(new)

    def _plan(self, races: Sequence[Race]) -> None:
        """Number the seeds that settings lack: the first seed of each, then the second of each."""
        lines: list[tuple[int, list[str]]] = []
        for index, replicate in enumerate(self._replicates):
            for race in races:
                if len(race.numbers) > index or race.setting.note:
                    continue
                overrides = [*race.typed, *replicate]
                number, self._next = self._next, self._next + 1
                race.numbers.append(number)
                race.waiting.append(
                    Point(number, partial(self._begin, number, overrides), overrides=overrides)
                )
                lines.append((number, [*race.setting.overrides, *replicate]))
        if lines:
            self._planned(lines)

    def _recall(self, earlier: Iterable[Trial], again: Iterable[tuple[Trial, Point]]) -> None:
        """Take up the settings of earlier attempts."""
        again = [*again]
        points = {trial.number: point for trial, point in again}
        for setting in seed_replicates.group([*earlier, *(t for t, _ in again)]):
            race = self._races[setting.trials[0].setting] = Race(setting)
            race.numbers = [t.number for t in setting.trials]
            race.waiting.extend(points[n] for n in race.numbers if n in points)
            setting.trials = [t for t in setting.trials if t.number not in points]
            self._comparison.give_up(race)
        self._comparison.look(self._races.values())

    def _tell(self, race: Race) -> None:
        """Report the setting's mean result to its source, once all of its seeds have ended."""
        if not race.over or not race.setting.trials:
            return
        for asked in race.asked:
            together = race.setting.together(asked.number)
            for name in ("status", "reason", "metrics", "figures", "seconds", "epochs", "config"):
                setattr(asked, name, getattr(together, name))
            if race.cut:
                asked.status, asked.reason = "KILLED", "the sweep was stopped before its last seed"
            self._settings.ended(asked)
        race.asked.clear()

    def _total(self, repeated: int) -> int | None:
        planned = sum(len(r.waiting) for r in self._races.values())
        if self._abreast:
            return planned
        return (
            None
            if self._settings.total is None
            else planned + (self._settings.total - repeated) * len(self._replicates)
        )


def replicates(settings: Mapping[str, Any]) -> list[list[str]]:
    """Return the overrides of each trial of a setting: all folds with the first seed, then with the second; empty for one trial each.

    Args:
        settings: see `sweep_settings.settings`.
    """
    seeds, folds = settings.get("seeds"), settings.get("folds")
    if not seeds and not folds:
        return []
    of_seed = [[f"seed={settings['seed'] + i}"] for i in range(seeds)] if seeds else [[]]
    of_fold = [[f"data.fold={i}"] for i in range(folds)] if folds else [[]]
    return [[*seed, *fold] for seed in of_seed for fold in of_fold]


def of(
    settings: Mapping[str, Any],
    points: Points,
    begin: Compose,
    sweep_dir: Path,
    earlier: Sequence[Trial] = (),
    again: Sequence[tuple[Trial, Point]] = (),
    repeated: int = 0,
) -> Seeded:
    """Return the points of a sweep with the configured seeds and folds each; they are recorded.

    Args:
        settings: see `sweep_settings.settings`.
        points: the settings.
        begin: composes a trial.
        sweep_dir: has a `sweep.json`.
        earlier, again, repeated: of earlier attempts, see `Seeded`.
    """
    from trainrun.config.rules.sweep import counted
    from trainrun.sweep import sweep_record

    if settings["seeds"] and "seed" in settings["swept"]:
        raise UserError(
            Problem(
                "seeds", "it gives each setting seeds of its own, and the sweep varies seed. Leave one out."
            )
        )
    if points.total is not None and not earlier and not again:
        console.note(counted(points.total, settings["seeds"], settings.get("folds")))
    return Seeded(
        points,
        replicates(settings),
        begin,
        settings["objective"],
        settings["direction"],
        lambda lines: sweep_record.add(sweep_dir, lines),
        console.note,
        1 + max([t.number for t in [*earlier, *(t for t, _ in again)]], default=-1),
        earlier,
        again,
        repeated,
    )
