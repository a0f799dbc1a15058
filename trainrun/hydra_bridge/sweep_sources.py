"""Sources of a sweep's points: a grid, random draws or Optuna's study, over the search space of its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.hydra_bridge import own_plugins
from trainrun.registry import hints, option_files
from trainrun.sweep.space import samplers
from trainrun.sweep.space.random_search import Drawn
from trainrun.ui import console

if TYPE_CHECKING:
    from omegaconf import DictConfig as Config

    from trainrun.sweep.space.search_space import Space
    from trainrun.sweep.space.trial_source import Compose, Point, Points
    from trainrun.sweep.trial import Trial

GRID, RANDOM, OPTUNA = "grid", "random", "optuna"
DRAWING = (RANDOM, OPTUNA)  # those that need a number of trials
OURS = (GRID, RANDOM, OPTUNA)
GROUP = "hydra/sweeper"
# Settings that are whole numbers or null, and settings that are texts.
COUNTS = ("seed", "n_startup_trials", "population_size", "batch_size")
TEXTS = ("storage", "study_name")


def settings(config: Config) -> dict[str, Any]:
    """Return the sweeper's settings for `sweep.json`, from which `points` recreates the sweep's points.

    Args:
        config: the sweep's own, with the node `hydra`.
    """
    from omegaconf import OmegaConf

    node = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    name = own_plugins.name_of(node, str(config.hydra.runtime.choices.get("hydra/sweeper")))
    values = {k: hints.whole(int, v) if k in COUNTS else v for k, v in node.items() if k != "_target_"}
    if values.get("seed") is None:
        values["seed"] = int(config.seed)
    return {**values, "name": name, "overrides": [str(o) for o in config.hydra.overrides.task]}


def space(sweep: Mapping[str, Any], loader: Any) -> tuple[Space, list[Problem]]:
    """Return the search space of a sweep, and its problems.

    Args:
        sweep: see `sweep_settings.settings`.
        loader: Hydra's config loader, which expands globs.
    """
    from trainrun.hydra_bridge import sweep_grammar

    spec = sweep["sweeper"]
    entries, params = sweep.get("space") or {}, spec.get("params")
    if isinstance(entries, Mapping) and isinstance(params, Mapping):
        entries = {**params, **entries}
    return sweep_grammar.read(spec["overrides"], entries, sweep.get("zip"), loader)


def params(config: Config) -> dict[str, Any]:
    """Return the search space in `hydra.sweeper.params`, where Hydra's own sweeper has it."""
    from omegaconf import DictConfig, OmegaConf

    search_space = OmegaConf.select(config, "hydra.sweeper.params")
    return OmegaConf.to_container(search_space, resolve=True) if isinstance(search_space, DictConfig) else {}


def points(
    settings: Mapping[str, Any],
    compose: Compose,
    sweep_dir: Path,
    loader: Any,
    done: Sequence[Trial] = (),
    waiting: Sequence[Point] = (),
    existing: Sequence[tuple[int, list[str]]] | None = None,
) -> Points | None:
    """Return the source of a sweep's points; None for a list of points.

    Args:
        settings: see `sweep_settings.settings`.
        compose: makes a trial of a point.
        sweep_dir: exists; records of an earlier attempt there are continued.
        loader: Hydra's config loader, which expands globs.
        done: trials of earlier attempts that stay as they are.
        waiting: points of earlier attempts that are to be run again first.
        existing: number and overrides of the sweep's points; None: as recorded.
    """
    from trainrun.sweep import sweep_record

    spec = settings.get("sweeper") or {}
    if spec.get("name") not in DRAWING:
        return None
    search_space, faults = space(settings, loader)
    if faults:
        raise UserError(faults)
    if existing is None:
        existing = sweep_record.read(sweep_dir)["points"] if (sweep_dir / sweep_record.FILE).is_file() else []

    if spec["name"] == RANDOM:
        source = Drawn(search_space, settings["trials"], spec["seed"], compose, existing, waiting)
        if (made := len(source.known) + len(existing)) < settings["trials"]:
            console.note(f"there are {made} different points, fewer than sweep.trials={settings['trials']}")
        return source

    def begin(number: int, overrides: Sequence[str]) -> Trial:
        trial = compose(number, overrides)
        if trial.config:  # else it stands for a setting, whose trials the source of seeds makes
            sweep_record.add(sweep_dir, [(number, trial.overrides)])
        return trial

    from trainrun.sweep.space.optuna_study import Study

    goal = (settings["objective"], settings["direction"])
    return Study(search_space, spec, *goal, settings["trials"], begin, sweep_dir, existing, done, waiting)


def problems(sweep: Mapping[str, Any], search_space: Space) -> Iterator[Problem]:
    """Yield the problems of a sweep as a whole.

    Args:
        sweep: see `sweep_settings.settings`; at least `sweeper`, `trials`, `space`, `zip`, `objective`.
        search_space: of the sweep.
    """

    spec, trials = sweep["sweeper"], sweep.get("trials")
    name, params = spec["name"], spec.get("params")
    if not isinstance(params or {}, Mapping):
        yield Problem("hydra.sweeper.params", f"expected keys with their values, got {params!r}.")
    if name not in OURS:
        for key in ("space", "zip", "trials"):
            if sweep.get(key):
                yield Problem(
                    f"sweep.{key}", f"hydra/sweeper={name} does not read it. Take one of {', '.join(OURS)}."
                )
        return
    if faults := list(_settings_problems(spec)):
        yield from faults
        return
    if name == GRID:
        for one in search_space.intervals:
            ends = f"({one.low:g}, {one.high:g})"
            yield Problem(
                one.key.lstrip("+"),
                f"hydra/sweeper=grid tries every value, and interval{ends} has no end of them. Give it values, or "
                "range(first, end, step), or take hydra/sweeper=random sweep.trials=20, or optuna.",
            )
        if trials is not None:
            yield Problem(
                "sweep.trials",
                "hydra/sweeper=grid runs every point. Take random or optuna, or leave it null.",
            )
        return
    if trials is None:
        yield Problem(
            "sweep.trials", f"hydra/sweeper={name} needs a number of trials. Write sweep.trials=20."
        )
    if not search_space.dimensions:
        yield Problem(
            "sweep.space",
            "nothing is varied. Write for example optimizer.learning_rate='tag(log, interval(1e-4, 1e-1))'.",
        )
    if name == OPTUNA:
        objective = sweep.get("objective")
        yield from samplers.problems(spec, isinstance(objective, list) and len(objective) > 1)


def _settings_problems(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of the settings of one of trainrun's sweepers; its YAML has its keys."""
    name = spec["name"]
    known = option_files.packaged(GROUP)[name].values
    for key, value in spec.items():
        # `settings` adds `seed` and `overrides`.
        if key in ("name", "overrides") or (key == "seed" and key not in known):
            continue
        where = f"hydra.sweeper.{key}"
        if key not in known:
            hint = did_you_mean(key, known)
            yield Problem(where, f"no such key in {GROUP}={name}.{hint} It takes {', '.join(known)}.")
        elif key in COUNTS and value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            yield Problem(where, f"expected a whole number, got {value!r}.")
        elif key in TEXTS and value is not None and not isinstance(value, str):
            yield Problem(where, f"expected text, got {value!r}.")
