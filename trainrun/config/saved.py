"""The recorded config of a run: to resume it, to reproduce it, to use its model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from trainrun.config import check, normal_form, plugins, schema, tracker_settings
from trainrun.errors import Problem, UserError
from trainrun.registry import option_files
from trainrun.registry.followed_keys import walk
from trainrun.util import redaction, yaml_file

FILE = "config.yaml"


def load(run_dir: Path, trains: bool = False) -> dict[str, Any]:
    """Return a run's config, resolved and checked.

    Args:
        run_dir: the run's directory.
        trains: whether it is trained again; else faults of what only training uses are none.

    Raises:
        UserError: there is no config, it is of a newer trainrun, or something that the config names is missing.
    """
    config = load_plain(run_dir)
    # Of these groups a recorded run lacks addresses and passwords.
    return checked(config, [], unused=() if trains else tracker_settings.SENT_TO)


def checked(
    config: dict[str, Any], problems: list[Problem], group: str | None = None, unused: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a recorded config, checked, with its plug-ins loaded.

    Args:
        config: as `load_plain` returns it.
        problems: of the overrides, for one report.
        group: the only one that is going to be used: faults of others are none. None: all are.
        unused: groups that are not, either.

    Raises:
        UserError: there are problems, `problems` included.
    """
    problems = [*problems, *plugins.announce(config.get("plugins") or [])]
    if not problems:
        config = normal_form.of(config)
        faults = [(p.key.split(".")[0], p) for p in check.problems(config)]
        problems += [p for root, p in faults if group in (None, root) and root not in unused]
    if problems:
        raise UserError(problems)
    plugins.load(config["plugins"])
    return config


def hidden(config: dict[str, Any]) -> list[str]:
    """Return the keys whose values are secrets, which no file of the run has; those of trackers are restored otherwise."""
    rest = {key: node for key, node in config.items() if key != tracker_settings.GROUP}
    return [key for key, value in walk(rest, "") if value == redaction.HIDDEN]


def load_plain(run_dir: Path) -> dict[str, Any]:
    """Return a run's config, neither checked nor resolved further.

    Raises:
        UserError: there is none, or it is of a newer trainrun.
    """
    path = run_dir / FILE
    try:
        path.stat()
        config = yaml_file.load(path)
    except FileNotFoundError:
        raise UserError(
            f"there is no {path}: {path.parent} is not a run's directory, or is incomplete."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected keys with values, got {type(config).__name__}.")
    return complete(config, str(path))


def complete(config: dict[str, Any], origin: str) -> dict[str, Any]:
    """Return a config with all keys, those that it lacks with their defaults.

    Args:
        config: plain dicts and lists.
        origin: what it was read from, for the messages.

    Raises:
        UserError: it has unknown keys, or lacks a group.
    """
    plain = schema.plain()
    unknown = [k for k in config if k not in plain]
    if unknown:
        raise UserError(
            [Problem(f"{origin}: {k}", "this trainrun knows no such key. Was the run made by a newer one? Update trainrun.")
             for k in unknown]
        )  # fmt: skip
    missing = [
        k for k in ("data", "model", "loss", "optimizer", "trainer") if not isinstance(config.get(k), dict)
    ]
    if missing:
        raise UserError(
            [
                Problem(f"{origin}: {k}", "expected a group's settings; the file is incomplete.")
                for k in missing
            ]
        )
    if faults := schema.type_faults(config):
        raise UserError([Problem(f"{origin}: {p.key}", p.message) for p in faults])
    name = config["trainer"].get("name")
    option = option_files.find("trainer", name) if isinstance(name, str) else None
    config["trainer"] = {**(option.arguments if option else {}), **config["trainer"]}
    return normal_form.without_unread({**plain, **config})
