"""`trainrun check [-m] [overrides]`: validate a config or, with -m, each trial of a sweep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainrun.errors import Problem, UserError
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.data.cache import DatasetCache
    from trainrun.data.dataset import Dataset

# Datasets that are read from local files.
TABLES = ("csv", "parquet", "feather", "text", "image_folder")


def _is_built(config: Mapping[str, Any], data: Dataset | None) -> bool:
    """Return whether only the model itself tells if it can be trained so: one of a file whose record is not of such data,
    or one of the user's own on several devices, in parts, or by a trainer of one kind.

    Args:
        config: resolved and checked.
        data: of `_loaded`.
    """
    from trainrun.config.rules import hardware
    from trainrun.registry import declaration_reader, lookup

    if data is not None and _has_source(config):
        from trainrun.run import stored_preprocessing

        if not stored_preprocessing.surely_fits(config, data):
            return True
    if not lookup.is_plugin("model", config["model"]["name"]):
        return False
    trainer = config["trainer"]
    takes_any = declaration_reader.of("trainer", trainer["name"]).takes_steps
    return hardware.several(config["hardware"]) or (trainer.get("accumulate") or 1) > 1 or not takes_any


def _look_at_model(config: Mapping[str, Any], weights: bool, cache: DatasetCache) -> None:
    """Build the model and refuse what only it tells.

    Args:
        config: resolved and checked.
        weights: whether to print what becomes of each of its weights.
        cache: of the data that was loaded already.

    Raises:
        UserError: it cannot be trained so.
    """
    from trainrun.config import phases
    from trainrun.config.rules import freezing, hardware
    from trainrun.util import imports

    console.note(
        f"the model is built by TensorFlow to look at its {'weights' if weights else 'inputs, outputs and steps'} …"
    )
    with console.hushed(), imports.collector_paused("tensorflow"):
        import tensorflow as tf

        from trainrun.run import builders, teacher, weights_overview
    several = hardware.several(config["hardware"])
    # Here on one device: this machine need not have those of the run, and other workers would be waited for.
    strategy = tf.distribute.get_strategy() if several else builders.strategy(config)
    job = builders.job(config, teacher.taught(config, builders.dataset(config, cache)), strategy)
    builders.refuse_own_steps(config, job.model, hardware.count(config["hardware"]) or 2 if several else 1)
    if not weights:
        return
    if job.initial is not None:
        job.initial.show()
    for phase in phases.listed(config):
        if freezing.names_weights(phase.config):
            if phase.of > 1:
                console.note(f"phase {phase.number} of {phase.of}")
                job = builders.job(phase.config, job.dataset, strategy)
            weights_overview.show(phase.config, job)


def _has_source(config: Mapping[str, Any]) -> bool:
    """Return whether the run has a model or weights of another one, which its data has to fit."""
    from trainrun.model import source_file

    return config["model"]["name"] == "file" or any(
        config.get(k) for k in (source_file.KEY, source_file.TEACHER)
    )


def _of_model(config: Mapping[str, Any]) -> str:
    """Return what tells whether a model can be trained, by which points of a sweep are alike: its files, or its name, and the data."""
    from trainrun.model import source_file

    data = {key: value for key, value in config["data"].items() if key not in ("seed", "fold")}
    model = config["model"] if config["model"]["name"] == "file" else config["model"]["name"]
    trainer = [config["trainer"].get(key) for key in ("name", "accumulate")]
    sources = [config.get(key) for key in (source_file.KEY, source_file.TEACHER)]
    return json.dumps([data, model, sources, trainer, config["hardware"]], default=str, sort_keys=True)


def _loaded(config: Mapping[str, Any], cache: DatasetCache, is_built: bool) -> Dataset | None:
    """Return the data of a config if it is a local dataset, or one that a stored model has to fit; else None.

    Args:
        config: resolved and checked.
        cache: keeps it.
        is_built: whether the model is built anyway, which tells whether it fits the data.

    Raises:
        UserError: all that is wrong with a table which is too large for the preflight check, or the data does not fit the model.
    """
    if config["data"]["name"] not in TABLES and (is_built or not _has_source(config)):
        return None
    from trainrun.run import stored_preprocessing

    return stored_preprocessing.load(config, cache)


def _show_data(data: Dataset) -> int:
    """Print what is understood of a dataset and what seems wrong, as training does; return the number of warnings."""
    from trainrun.data import overview

    understood = overview.of(data)
    for line in overview.lines(understood):
        console.say(line, fold=True)
    return len(understood["notices"])


def main(argv: Sequence[str]) -> int:
    """Check a config or a sweep and report every problem, without training."""
    from trainrun.config import plugins
    from trainrun.config.rules import sweep
    from trainrun.config.rules.freezing import treated_differently
    from trainrun.data.cache import DatasetCache
    from trainrun.hydra_bridge import compose, preflight

    flags = compose.arguments(argv)
    where = (flags.config_name, flags.config_path)
    if flags.help:
        console.say(
            "trainrun check [-m] [overrides]: validate a config, or every point of a sweep, without training."
        )
        return 0
    points: dict[str, tuple[str, dict[str, Any]]] = {}  # one of those that are alike in what is looked at
    if flags.multirun:
        plan, problems = preflight.sweep(
            flags.overrides,
            *where,
            checked=lambda point, config: points.setdefault(_of_model(config), (" ".join(point), config)),
        )
        named = [*plugins.early(flags.overrides), *plugins.offered()]
        counts = (plan.total, plan.seeds, plan.folds)
    else:
        config, problems = preflight.overrides(flags.overrides, *where)
        named, counts = config["plugins"] if config else [], (1, None)
        points = {"": ("", config)} if config else {}
    if problems:
        raise UserError(problems)
    plugins.load(named)
    cache, warnings = DatasetCache(), 0
    faults: dict[Problem, str] = {}
    for i, (point, config) in enumerate(points.values()):
        shows = not flags.multirun and treated_differently(config)
        is_first = i == 0  # the trials tell of the data of other points
        try:
            data = _loaded(config, cache, shows) if is_first or _has_source(config) else None
            if shows or _is_built(config, data):
                _look_at_model(config, shows, cache)
        except UserError as error:
            for problem in error.problems:
                faults.setdefault(problem, point)
            continue
        if is_first and data is not None and config["data"]["name"] in TABLES:
            warnings = _show_data(data)
    if faults:
        raise UserError(preflight.placed(faults, len(points) > 1))
    wrong = f"{warnings} warning{'s' * (warnings > 1)} about the data" if warnings else "nothing wrong"
    console.say(f"ok: {sweep.counted(*counts)}, {wrong}", style="green")
    return 0
