"""The config of a run that was, from its directory: to go on with it, to run it again, to use its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from trainrun.config import check, moved_keys, plugins, schema, tracker_settings
from trainrun.errors import Problem, UserError
from trainrun.registry.followed_keys import walk
from trainrun.util import redaction, yaml_file

FILE = "config.yaml"


def load(run_dir: Path) -> dict[str, Any]:
    """Return a run's config, resolved and checked.

    Args:
        run_dir: the run's directory.

    Raises:
        UserError: there is no config, it is of a newer trainrun, or something that the config names is not there any more.
    """
    config = load_plain(run_dir)
    return checked(config, [])


def checked(config: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Return a config that was read from a run's directory, its plug-ins loaded.

    Args:
        config: as `load_plain` returns it.
        problems: found already.

    Raises:
        UserError: with `problems` and all that is found here.
    """
    problems = [*problems, *plugins.announce(config.get("plugins") or [])]
    if not problems:
        problems += check.problems(config)
    if problems:
        raise UserError(problems)
    plugins.load(config["plugins"])
    return config


def hidden(config: dict[str, Any]) -> list[str]:
    """Return the keys whose values are secrets, which no file of the run has; those of trackers are restored otherwise."""
    rest = {key: node for key, node in config.items() if key != tracker_settings.GROUP}
    return [key for key, value in walk(rest, "") if value == redaction.HIDDEN]


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
    config = moved_keys.tree(config)
    plain = schema.plain()
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
