"""Problems of a config that does not compose: all of them at once, each with a way out.

Hydra stops at the first one. Here each override is tried by itself: first the choices of options, then the
values in the config composed of the valid choices.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config.rules import settings
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.hydra_bridge import (
    compose,
    compose_cache,
    hydra_errors,
    hydra_node_rules,
    interpolations,
    override_grammar,
    override_values,
    registration,
)
from trainrun.registry import lookup, option_files

_WITHOUT_SCHEMA = (
    "a primary config begins its defaults with `- trainrun`, which brings the settings that every run has. "
    "`trainrun init` writes one to begin with."
)


def examine(
    overrides: Sequence[str],
    config_name: str | None = None,
    config_path: str | None = None,
    multirun: bool = False,
    composed: Callable[[Any], None] = lambda config: None,
) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Compose one run's config, and return all problems of the overrides.

    Hydra composes the options; the values are then set one by one, as Hydra does, so that an invalid one hides none of the
    others. A test compares the result with Hydra's.

    Args:
        overrides: one run's overrides (a sweep's point, not its commas).
        config_name, config_path: see `compose.compose`.
        multirun: whether they are a point of a sweep.
        composed: called with Hydra's config, in which the values are then set.

    Returns:
        The resolved config of the valid overrides (None if they do not compose), and the problems.
    """
    unsafe = hydra_node_rules.search_path(overrides, config_name, config_path)
    if unsafe:
        return None, unsafe
    problems: list[Problem] = []
    choices, values = [], []
    groups = _groups(config_path)
    for text in overrides:
        try:
            override = override_grammar.parse(text)
        except UserError as unreadable:
            problems += unreadable.problems
            continue
        key = override.key_or_group
        if override.is_sweep_override():
            problems.append(Problem(key, _sweep_without_flag(key, text)))
            continue
        if key in groups and not override.is_delete():
            bad = _bad_choice(key, override.value(), groups[key])
            problems += bad
            if not bad:
                choices.append(text)
        elif override.package is not None or override.is_delete():
            choices.append(text)
        else:
            values.append((text, override))
    try:
        config = compose_cache.of(
            (*choices, config_name, config_path, *option_files.search_path()),
            lambda: compose.compose(choices, config_name, config_path),
        )
    except UserError as unfit:
        return None, [*problems, *unfit.problems]
    except RecursionError:
        chosen = ", ".join(choices) or "the primary config"
        return None, [
            *problems,
            Problem(chosen, "a list of defaults leads back to itself. Take one of its entries out."),
        ]
    except Exception as compose_error:
        return None, problems or [hydra_errors.from_hydra(compose_error)]
    composed(config)
    from omegaconf import OmegaConf

    from trainrun.config.schema import Root

    if OmegaConf.get_type(config) is not Root:
        return None, [*problems, Problem(f"{config_name or 'config'}.yaml", _WITHOUT_SCHEMA)]
    try:
        with interpolations.bounded():
            return _valued(config, values, problems, groups, overrides, multirun)
    except UserError as unfit:
        return None, [*problems, *unfit.problems]
    except Exception as interpolation_error:
        return None, problems or [hydra_errors.from_hydra(interpolation_error)]


def _valued(
    config: Any,
    values: Sequence[tuple[str, Any]],
    problems: list[Problem],
    groups: Mapping[str, list[str]],
    overrides: Sequence[str],
    multirun: bool,
) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Set the values in the composed config, one by one, and resolve it; problems are added to `problems`."""
    from omegaconf import OmegaConf

    broken = {p.key for p in problems}
    unread = [] if OmegaConf.is_missing(config, "trainer") else settings.unread(config.trainer)
    for _, override in values:
        group, _, leaf = override.key_or_group.partition(".")
        if group == "trainer" and leaf in unread:
            name = config.trainer.name
            takes = ", ".join(k for k in option_files.find("trainer", name).arguments if k != "name")
            text = f"trainer={name} takes the whole data at once and does not read it. It takes {takes}."
            problems.append(Problem(override.key_or_group, text))
            continue
        if override.key_or_group.split(".")[0] in broken:
            continue  # of an unknown option, whose keys are unknown
        fault = override_values.apply(config, override, groups)
        if fault is not None:
            problems.append(fault)
    for key in (str(k) for k in config if OmegaConf.is_missing(config, k)):
        way_out = f"{key}=…" if key in groups else f"{key}=value"
        problems.append(
            Problem(
                key,
                f"nothing is chosen. Write {way_out}, or a line for it in the defaults of conf/config.yaml.",
            )
        )
    problems += hydra_node_rules.hydra_problems(config, overrides, multirun)
    return interpolations.plain(config), problems


def _sweep_without_flag(key: str, text: str) -> str:
    value = text.partition("=")[2]
    as_list = "" if "(" in value else f" For a list: '{key}=[{value}]'."
    return f"{value} names several values. To run each: trainrun -m {text}.{as_list} For one value with a comma, quote it: '{key}=\"{value}\"'."


def _groups(config_path: str | None) -> dict[str, list[str]]:
    """Return every group of the search path and its options, `hydra/launcher` and the like included."""
    import hydra

    registration.prepare()  # it stores options such as hydra/launcher=basic
    folders = [folder for _, folder in option_files.search_path()]
    if config_path:
        folders.append(Path(config_path).absolute())
    folders.append(Path(hydra.__file__).parent / "conf")
    # Not by the config loader's `get_group_options`: Hydra 1.3.8 opens every file of a group to read its header, which takes
    # seconds for all groups. Cached for the points of a sweep.
    options: dict[str, set[str]] = compose_cache.of(("options", *folders), lambda: _files(folders))
    from hydra.core.config_store import ConfigStore

    def stored(node: Mapping[str, Any], group: str) -> None:
        for name, inside in node.items():
            if isinstance(inside, Mapping):
                stored(inside, f"{group}/{name}" if group else name)
            elif group:
                options.setdefault(group, set()).add(name.removesuffix(".yaml"))

    stored(ConfigStore.instance().repo, "")  # plug-ins' components and Hydra's own
    options["metric"] |= options["loss"]
    return {group: sorted(names) for group, names in options.items()}


def _files(folders: Sequence[Path]) -> dict[str, set[str]]:
    """Return every group of options that lies in folders, and its files' names."""
    options: dict[str, set[str]] = {}
    for folder in folders:
        for inside, _, files in os.walk(folder):
            names = {name.removesuffix(".yaml") for name in files if name.endswith(".yaml")}
            if names and inside != str(folder):
                options.setdefault(Path(inside).relative_to(folder).as_posix(), set()).update(names)
    return options


def _bad_choice(group: str, value: Any, known: list[str]) -> list[Problem]:
    """Return a problem for each chosen option that does not exist."""
    if value is None and group in ("experiment", "debug"):
        return []
    shown = [name for name in known if not name.startswith("_")]
    if value is None:
        hint = f"{group}=none" if "none" in known else f"one of {', '.join(shown[:12])}"
        return [Problem(group, f"expected the name of an option, got null. Write {hint}.")]
    several = (
        isinstance(value, list)
        and len(value) != 1
        and group not in (*option_files.SEVERAL, *option_files.MERGED)
    )
    if several and value:  # Hydra would merge the options into one
        names = ",".join(map(_text, value))
        return [Problem(group, f"expected one option, got a list. For a run with each: -m {group}={names}.")]
    if several or isinstance(value, Mapping):
        example = f"{group}={shown[0]}" if shown else group
        way_out = f"Write for example {example}; its values go by {group}.key=value."
        return [Problem(group, f"expected one option, got {_text(value)}. {way_out}")]
    bad = []
    for name in value if isinstance(value, list) else [value]:
        name = _text(name)
        if name in shown or (name == "null" and group in ("experiment", "debug")):
            continue
        if "/" in name and name.rsplit("/", 1)[-1] in shown and ".." not in name:
            continue
        listing = (
            f" It is one of {', '.join(shown)}." if len(shown) <= 8 else f" `trainrun ls {group}` lists them."
        )
        why = lookup.why_unknown(group)
        of_class = name.lower().removesuffix(group)  # a class of Keras: MultiOptimizer
        hint = did_you_mean(name, shown) or did_you_mean(of_class, shown)
        bad.append(Problem(group, f"there is no option {name!r}.{hint}{listing}{why}"))
    return bad


def _text(value: Any) -> str:
    unquoted = getattr(value, "text", value)
    return "null" if unquoted is None else str(unquoted)
