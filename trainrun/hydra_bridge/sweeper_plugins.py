"""Hydra's doors to what a sweep tries: `hydra/sweeper=grid`, `random` and `optuna`; and where a sweep's points come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from trainrun.errors import Problem, UserError
from trainrun.ui import console

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

    from trainrun.sweep.space.search_space import Space
    from trainrun.sweep.space.trial_source import Compose, Point, Points
    from trainrun.sweep.trial import Trial

GRID, RANDOM, OPTUNA = "grid", "random", "optuna"
DRAWING = (RANDOM, OPTUNA)  # those that need to be told how many trials


@dataclass
class GridConf:
    """The settings of `hydra/sweeper=grid`.

    Args:
        params: as of Hydra's basic sweeper: key -> values; `sweep.space` comes before it.
    """

    _target_: str = "hydra_plugins.trainrun.GridSweeper"
    params: Any = None


@dataclass
class RandomConf:
    """The settings of `hydra/sweeper=random`.

    Args:
        seed: of the draw; null: the config's.
        params: see `GridConf`.
    """

    _target_: str = "hydra_plugins.trainrun.RandomSweeper"
    seed: int | None = None
    params: Any = None


@dataclass
class OptunaConf:
    """The settings of `hydra/sweeper=optuna`.

    Args:
        sampler: one of `samplers.SAMPLERS`; null: tpe, of several objectives nsgaii.
        seed: of what it suggests; null: the config's.
        n_startup_trials: of tpe, cmaes and gp: random ones at the beginning.
        population_size: of nsgaii and nsgaiii; null: a fifth of the trials, 8 to 50.
        storage: of the study: a database, as SQLAlchemy has it; null: a file in the sweep's directory.
        study_name: there; null: the name of the sweep's directory.
        batch_size: with a launcher that is not ours: trials that are handed to it at a time.
        params: see `GridConf`.
    """

    _target_: str = "hydra_plugins.trainrun.OptunaSweeper"
    sampler: Any = None
    seed: int | None = None
    n_startup_trials: int | None = None
    population_size: int | None = None
    storage: str | None = None
    study_name: str | None = None
    batch_size: int = 1
    params: Any = None


def settings(config: DictConfig) -> dict[str, Any]:
    """Return what goes into `sweep.json`, so that `points` can make the sweep's points again.

    Args:
        config: as Hydra has it, with the node `hydra`.
    """
    given = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    given = {k: v for k, v in given.items() if k != "_target_"}
    if given.get("seed") is None:
        given["seed"] = int(config.seed)
    name = str(config.hydra.runtime.choices.get("hydra/sweeper"))
    return {**given, "name": name, "overrides": [str(o) for o in config.hydra.overrides.task]}


def space(given: Mapping[str, Any], loader: Any) -> tuple[Space, list[Problem]]:
    """Return what a sweep varies, and what is wrong with it.

    Args:
        given: see `snapshot.settings`.
        loader: Hydra's config loader: it knows the options that a glob means.
    """
    from trainrun.hydra_bridge import sweep_grammar

    spec = given["sweeper"]
    entries, params = given.get("space") or {}, spec.get("params")
    if isinstance(entries, Mapping) and isinstance(params, Mapping):
        entries = {**params, **entries}
    return sweep_grammar.read(spec["overrides"], entries, given.get("zip"), loader)


def params(config: DictConfig) -> dict[str, Any]:
    """Return what `hydra.sweeper.params` varies, as Hydra's own sweeper has it."""
    found = OmegaConf.select(config, "hydra.sweeper.params")
    return OmegaConf.to_container(found, resolve=True) if isinstance(found, DictConfig) else {}


def points(
    settings: Mapping[str, Any],
    compose: Compose,
    sweep_dir: Path,
    done: Sequence[Trial] = (),
    waiting: Sequence[Point] = (),
    loader: Any = None,
    there: Sequence[tuple[int, list[str]]] | None = None,
) -> Points | None:
    """Return where a sweep's points come from; None: it has a list of them.

    Args:
        settings: see `snapshot.settings`.
        compose: makes a trial of a point.
        sweep_dir: exists; what an earlier attempt has left there is taken up.
        done: trials of earlier attempts that stay as they are.
        waiting: points of earlier attempts that are to be run again first.
        loader: Hydra's config loader, where there is one already.
        there: number and overrides of the points there are; None: as `sweep.json` has them.
    """
    from trainrun.hydra_bridge import compose as composing
    from trainrun.sweep import sweep_record

    spec = settings.get("sweeper") or {}
    if spec.get("name") not in DRAWING:
        return None
    with composing.loading() if loader is None else nullcontext(loader) as known:
        found, faults = space(settings, known)
    if faults:
        raise UserError(faults)
    if there is None:
        there = sweep_record.read(sweep_dir)["points"] if (sweep_dir / sweep_record.FILE).is_file() else []

    def begin(number: int, overrides: Sequence[str]) -> Trial:
        trial = compose(number, overrides)
        if trial.config:  # otherwise it stands for a setting, whose trials are somebody else's
            sweep_record.add(sweep_dir, [(number, trial.overrides)])
        return trial

    if spec["name"] == RANDOM:
        from trainrun.sweep.space.random_search import Drawn

        source = Drawn(found, settings["trials"], spec["seed"], begin, there, waiting)
        if (made := len(source.known) + len(there)) < settings["trials"]:
            console.note(f"there are {made} different points, fewer than sweep.trials={settings['trials']}")
        return source
    from trainrun.sweep.space.optuna_study import Study

    goal = (settings["objective"], settings["direction"])
    return Study(found, spec, *goal, settings["trials"], begin, sweep_dir, there, done, waiting)


class _Sweeper(Sweeper):
    """What our sweepers have in common: Hydra's side.

    Attributes:
        checks: whether a trial's config is to be checked before it begins.
    """

    checks = True

    def __init__(self, **given: Any):
        self.given = given
        self.config: DictConfig | None = None
        self.context: HydraContext | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.config, self.context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[Sequence[JobReturn]]:
        """Run the sweep.

        Args:
            arguments: as typed, without those of Hydra's own node.
        """
        from trainrun.hydra_bridge import hydra_files
        from trainrun.hydra_bridge.launcher_plugins import SweepLauncher
        from trainrun.sweep import settings as snapshot

        if self.config.sweep.seeds and not isinstance(self.launcher, SweepLauncher):
            name = self.config.hydra.runtime.choices["hydra/launcher"]
            raise UserError(
                Problem(
                    "seeds",
                    f"hydra/launcher={name} cannot stop seeds early, nor rank settings. Take hydra/launcher=local, or vary "
                    "them by hand: seed=42,43,44.",
                )
            )
        sweep_dir = Path(str(self.config.hydra.sweep.dir)).absolute()
        sweep_dir.mkdir(parents=True, exist_ok=True)
        written = sweep_dir / hydra_files.MULTIRUN
        if not written.exists():
            OmegaConf.save(self.config, written)
            hydra_files.hide(written)
        return [self._run(snapshot.settings(self.config), sweep_dir)]

    def _run(self, settings: Mapping[str, Any], sweep_dir: Path) -> Sequence[JobReturn]:
        """Have the launcher run the points: one after another where it is ours, else in batches."""
        from trainrun.hydra_bridge import batch_sweep
        from trainrun.hydra_bridge.launcher_plugins import SweepLauncher

        if not isinstance(self.launcher, SweepLauncher):
            source = self._source(settings, batch_sweep.outline, sweep_dir)
            return batch_sweep.run(self.launcher, source, settings, sweep_dir)
        self.launcher.unchecked = self.checks
        source = self._source(settings, self.launcher.trial, sweep_dir)
        self.launcher.run(source, getattr(source, "known", ()))
        return []  # what Hydra passes on to nobody would be half a megabyte of thousands of trials: `launcher.ended` tells it

    def _source(self, settings: Mapping[str, Any], compose: Compose, sweep_dir: Path) -> Points:
        return points(settings, compose, sweep_dir, loader=self.context.config_loader)


class GridSweeper(_Sweeper):
    """Tries every combination of the values."""

    checks = False  # the preflight has seen each point

    def _source(self, settings: Mapping[str, Any], compose: Compose, sweep_dir: Path) -> Points:
        from trainrun.sweep.space.trial_source import Numbered

        found, faults = space(settings, self.context.config_loader)
        if faults:
            raise UserError(faults)
        return Numbered([*enumerate(map(found.overrides, found.grid()))], compose)


class RandomSweeper(_Sweeper):
    """Tries points at random."""


class OptunaSweeper(_Sweeper):
    """Tries what Optuna suggests after each trial."""


# As `launcher.PLUGINS`.
PLUGINS: list[tuple[str, str, type, type]] = [
    ("hydra/sweeper", GRID, GridSweeper, GridConf),
    ("hydra/sweeper", RANDOM, RandomSweeper, RandomConf),
    ("hydra/sweeper", OPTUNA, OptunaSweeper, OptunaConf),
]
OURS = tuple(name for _, name, _, _ in PLUGINS)


def problems(given: Mapping[str, Any], found: Space) -> Iterator[Problem]:
    """Yield what is wrong with a sweep as a whole.

    Args:
        given: see `snapshot.settings`; at least `sweeper`, `trials`, `space`, `zip`, `objective`.
        found: what it varies.
    """
    from trainrun.sweep.space import samplers

    spec, trials = given["sweeper"], given.get("trials")
    name, params = spec["name"], spec.get("params")
    if not isinstance(params or {}, Mapping):
        yield Problem("hydra.sweeper.params", f"expected keys with their values, got {params!r}.")
    if name not in OURS:
        for key in ("space", "zip", "trials"):
            if given.get(key):
                yield Problem(
                    f"sweep.{key}", f"hydra/sweeper={name} does not read it. Take one of {', '.join(OURS)}."
                )
        return
    if name == GRID:
        for one in found.intervals:
            said = f"({one.low:g}, {one.high:g})"
            yield Problem(
                one.key.lstrip("+"),
                f"hydra/sweeper=grid tries every value, and interval{said} has no end of them. Give it values, or "
                "range(first, end, step), or take hydra/sweeper=random sweep.trials=20, or optuna.",
            )
        if trials is not None:
            yield Problem(
                "sweep.trials",
                "hydra/sweeper=grid runs every point. Take random or optuna, or leave it null.",
            )
        return
    if trials is None:
        yield Problem("sweep.trials", f"hydra/sweeper={name} needs to know how many. Write sweep.trials=20.")
    if not found.dimensions:
        yield Problem(
            "sweep.space",
            "nothing is varied. Write for example optimizer.learning_rate='tag(log, interval(1e-4, 1e-1))'.",
        )
    if name == OPTUNA:
        objective = given.get("objective")
        yield from samplers.problems(spec, isinstance(objective, list) and len(objective) > 1)
