"""Preflight: all problems of a config, before TensorFlow loads and before a run directory exists."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config import (
    named_components,
    outputs,
    phases,
    plugins,
    safety,
    tracker_settings,
)
from trainrun.config.rules import alert, checkpoint, combinations, failure, settings
from trainrun.config.rules import components as component_rules
from trainrun.config.rules import phases as phase_rules
from trainrun.config.rules import sweep as sweep_rules
from trainrun.data._unseen_classes import unseen_allowed
from trainrun.data.dataset import Description
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry import followed_keys, hints, lookup, old_arguments, option_files
from trainrun.util import keras_backend

# A run's name is displayed in tables.
LONGEST_NAME = 250
# Every config has a node of these.
TOP = (
    "data",
    "model",
    "loss",
    "metric",
    "optimizer",
    "schedule",
    "trainer",
    "hardware",
    "callback",
    "tracking",
)


def problems(config: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of a resolved config: names, arguments, ranges, combinations, the data's own."""
    faults = [
        *_root(config),
        *checkpoint.problems(config),
        *sweep_rules.problems(config),
        *failure.problems(config),
        *alert.problems(config),
        *phase_rules.problems(config),
        *tracker_settings.problems(config["tracking"]),
    ]
    if any(p.key == "seed" for p in faults):
        config = _with_a_seed(config)
    for group, key, spec in [(g, *node) for g in lookup.KERAS for node in named_components.nodes(config, g)]:
        if isinstance(spec, Mapping):
            faults += component_rules.problems(group, key, spec)
        else:
            nests = (
                outputs.in_yaml(key, spec)
                if group == "metric" and isinstance(spec, list)
                else f" An option of this group nests under a name of its own: {{mine: {{name: {spec}}}}}."
                if group in option_files.SEVERAL
                else ""
            )
            text = (
                f"expected keys under {key}, one of them name, got {spec!r}. Write {group}=<option>.{nests}"
            )
            faults.append(Problem(key, text))
    faults += [*followed_keys.followed(config, ""), *safety.texts(config)]
    described = describe(config) if not any(p.key.startswith("data") for p in faults) else Description()
    faults += [Problem(f"data.{key}", message) for key, message in described.problems]
    whole = all(isinstance(config[group], Mapping) for group in TOP)
    if whole and not any(p.key.endswith(".name") for p in faults):
        of_rules = combinations.problems(config, described)
        # What a rule expects of a value says more than its type does.
        better = {p.key for p in of_rules if p.message.startswith("expected ")}
        faults = [p for p in faults if p.key not in better or not p.message.startswith("expected ")]
        faults += of_rules
        faults += _of_phases(config, faults)
    return list(dict.fromkeys(faults))


def _of_phases(config: Mapping[str, Any], faults: list[Problem]) -> Iterator[Problem]:
    """Yield what is wrong with the config of a phase and not with that of the run or of a phase before it, whose settings it keeps."""
    if phases.epochs(config) is None or any(p.key.startswith(phases.KEY) for p in faults):
        return
    reported = set(faults)
    for phase in phases.listed(config):
        for problem in problems(phase.config):
            if problem not in reported:
                reported.add(problem)
                yield Problem(f"{phases.KEY}[{phase.number - 1}].{problem.key}", problem.message)


def _with_a_seed(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the config with a seed that is none of the user's: what is wrong with theirs is not said of the data's, too."""
    data = config.get("data")
    if not isinstance(data, Mapping) or data.get("seed") != config["seed"]:
        return config
    return {**config, "data": {**data, "seed": 0}}


def _root(config: Mapping[str, Any]) -> Iterator[Problem]:
    from trainrun.config import schema

    if (chosen := keras_backend.foreign()) is not None:
        source, backend, way_out = chosen
        yield Problem(source, f"trainrun trains with TensorFlow only; got {backend}. Way out: {way_out}")
    for key, hint in settings.HINTS.items():
        group, _, name = key.rpartition(".")
        node = config if not group else config.get(group) if group in schema.SETTINGS else None
        if isinstance(node, Mapping) and name in node and (fault := hints.violation(hint, node[name], None)):
            yield Problem(key, fault)
    yield from plugins.announce(config.get("plugins") or [])
    known = {f.name: str(f.type) for f in dataclasses.fields(schema.Root)}
    for key in config:  # `+` adds any key
        if key not in known:
            yield Problem(key, old_arguments.unknown_key(key, config, known))
            continue
        inside = getattr(getattr(schema, known[key], None), "__dataclass_fields__", None)
        for k in config[key] if inside else ():
            if k not in inside:
                yield Problem(
                    f"{key}.{k}",
                    f"no such key in {key}.{did_you_mean(k, inside)} It takes {', '.join(inside)}.",
                )
    name = config.get("name")
    if isinstance(name, str) and len(name) > LONGEST_NAME:
        yield Problem("name", f"expected at most {LONGEST_NAME} characters, got {len(name):,}. Shorten it.")


def describe(config: Mapping[str, Any]) -> Description:
    """Return the dataset's description before it is loaded; empty for a plug-in's dataset, which has none."""
    spec = config.get("data")
    if not isinstance(spec, Mapping) or spec.get("name") not in lookup.own_names("data"):
        return Description()
    name, arguments = spec["name"], {k: v for k, v in spec.items() if k != "name"}
    module = importlib.import_module(f"trainrun.data.{name}")
    try:
        inspect.signature(module.describe).bind(**arguments)
    except TypeError as error:
        refused = f"data={name} cannot take these arguments: {error}. `trainrun show data/{name}` lists them."
        return Description(problems=(("name", refused),))
    try:
        if "preprocessor" in inspect.signature(getattr(module, name)).parameters:
            from trainrun.config import stored_record

            arguments["preprocessor"] = stored_record.of(config)
        with unseen_allowed(named_components.gives_vectors(config)):
            return module.describe(**arguments)
    except UserError as error:
        return Description(problems=tuple((p.key.removeprefix("data."), p.message) for p in error.problems))
    except (TypeError, ValueError, OverflowError, OSError) as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        failed = (
            f"data={name} failed on this data or these arguments: {type(error).__name__}: {error} ({at.filename}, line {at.lineno}). "
            f"If they are as `trainrun show data/{name}` says, it is a fault of trainrun; please report it."
        )
        return Description(problems=(("name", failed),))
