"""The config of a run that was, from its directory: to go on with it, to run it again, to use its model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from trainrun.config import check, plugins
from trainrun.config.schema import Root
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.util import yaml_file
from trainrun.util.redaction import HIDDEN

FILE = "config.yaml"
# What a run may take differently when it goes on: how long, on what, and what is told of it. All else would make
# another run of it.
CHANGEABLE = (
    "trainer.epochs",
    "trainer.max_time",
    "hardware",
    "tracking",
    "checkpoint",
    "artifacts",
    "on_failure",
    "name",
    "profile",
    "profile_steps",
)
CHOICES = ("hardware", "tracking")


def load(run_dir: Path, given: Sequence[str] = ()) -> dict[str, Any]:
    """Return a run's config, resolved and checked, with what is to be different now.

    Args:
        run_dir: the run's directory.
        given: overrides of what is `CHANGEABLE`.

    Raises:
        UserError: there is no config, it is of a newer trainrun, an override is not possible, or something that the
            config names is not there any more.
    """
    config = load_plain(run_dir)
    refused = {text: list(_refused(text)) for text in given}
    problems = [p for found in refused.values() for p in found]
    problems += _change(config, [text for text, found in refused.items() if not found])
    problems += [*secrets(config, run_dir)]
    problems += plugins.announce(config.get("plugins") or [])
    if not problems:
        problems += check.problems(config)
    if problems:
        raise UserError(problems)
    plugins.load(config["plugins"])
    return config


def load_plain(run_dir: Path) -> dict[str, Any]:
    """Return a run's config as it stands in its directory.

    Raises:
        UserError: there is none, or it is of a newer trainrun.
    """
    path = run_dir / FILE
    try:
        path.stat()
        config = yaml_file.load(path)
    except FileNotFoundError:
        raise UserError(
            f"{path} is not there: {path.parent} is no run's directory, or half of it is gone."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(config, dict):
        raise UserError(f"{path} holds no config but {type(config).__name__}.")
    plain = compose_defaults()
    unknown = [k for k in config if k not in plain]
    if unknown:
        raise UserError(
            [Problem(f"{path}: {k}", "this trainrun knows no such key. Was the run made by a newer one? Update trainrun.")
             for k in unknown]
        )  # fmt: skip
    missing = [
        k for k in ("data", "model", "loss", "optimizer", "trainer") if not isinstance(config.get(k), dict)
    ]
    if missing:
        raise UserError(
            [Problem(f"{path}: {k}", "expected a group's settings; the file is not whole.") for k in missing]
        )
    if isinstance(config.get("sweep"), dict) and config["sweep"].get("snapshot") == "copy":
        config["sweep"]["snapshot"] = "note"  # of an older version
    # What an older version did not know yet.
    return {**plain, **config}


def compose_defaults() -> dict[str, Any]:
    """Return the root's settings that have a default, as plain dicts."""
    from omegaconf import OmegaConf

    whole = OmegaConf.structured(Root)
    return {
        f.name: None if OmegaConf.is_missing(whole, f.name) else OmegaConf.to_container(whole[f.name])
        if OmegaConf.is_config(whole[f.name])
        else whole[f.name]
        for f in fields(Root)
    }  # fmt: skip


def _refused(text: str) -> Iterator[Problem]:
    key = text.split("=", 1)[0]
    if "=" not in text or key.startswith(("+", "~")):
        yield Problem(text, f"expected key=value, of these keys: {', '.join(CHANGEABLE)}.")
    elif not any(key == k or key.startswith(f"{k}.") for k in CHANGEABLE):
        yield Problem(
            key,
            "a run goes on as it began; another value makes another run. "
            f"These may be different: {', '.join(CHANGEABLE)}. To train anew: trainrun {text}",
        )


def _change(config: dict[str, Any], given: Sequence[str]) -> list[Problem]:
    """Put the overrides into the config; return what is wrong with them."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    problems: list[Problem] = []
    chosen = {text.split("=", 1)[0] for text in given} & {*CHOICES}
    own = [text for text in given if text.split("=", 1)[0].split(".")[0] in chosen]
    if own:
        # Another option: its own defaults, and what is said of it now.
        tree, faults = check.overrides(own)
        problems += [p for p in faults if p.key.split(".")[0] in chosen]
        if tree is not None:
            config |= {group: tree[group] for group in chosen}
    for text in given:
        if text in own:
            continue
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as error:
            problems.append(Problem(text, str(error).splitlines()[0]))
            continue
        *folders, last = override.key_or_group.split(".")
        node: Any = config
        for folder in folders:
            node = node.get(folder) if isinstance(node, Mapping) else None
        if not isinstance(node, dict) or last not in node:
            there = [*node] if isinstance(node, Mapping) else []
            problems.append(
                Problem(
                    override.key_or_group, f"no such key in this run's config.{did_you_mean(last, there)}"
                )
            )
        else:
            node[last] = override.value()
    return problems


def secrets(config: dict[str, Any], run_dir: Path) -> Iterator[Problem]:
    """Take a password that was hidden from the environment; say so where it is not there either."""
    tracking = config.get("tracking")
    if isinstance(tracking, dict) and HIDDEN in str(tracking.get("uri")):
        if os.environ.get("MLFLOW_TRACKING_URI"):
            tracking["uri"] = None
        else:
            yield Problem(
                "tracking.uri",
                f"the run's address held a password, which is written down nowhere. Set MLFLOW_TRACKING_URI, or say "
                f"it again: trainrun resume {run_dir} tracking.uri=…",
            )
