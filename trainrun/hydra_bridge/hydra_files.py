"""Hydra's records of a job, `.hydra/*.yaml` and `multirun.yaml`, written without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.util import redaction, yaml_file

FOLDER = ".hydra"
MULTIRUN = "multirun.yaml"  # in a sweep's directory


def write(tree: Mapping[str, Any], run_dir: Path) -> None:
    """Write `.hydra/config.yaml`, `hydra.yaml` and `overrides.yaml` into a run's directory, secrets hidden.

    conf/trainrun.yaml keeps Hydra from writing them (`hydra.output_subdir: null`): Hydra 1.3.8 writes passwords of a
    tracking address as they were typed. Where a project's config sets another value, Hydra's files are overwritten.

    Args:
        tree: the job's config as `unresolved` returns it, Hydra's node included.
        run_dir: exists.
    """
    config, hydra = {k: v for k, v in tree.items() if k != "hydra"}, tree["hydra"]
    folder = run_dir / str(hydra["output_subdir"] or FOLDER)
    folder.mkdir(exist_ok=True)
    for name, part in (
        ("config", config),
        ("hydra", {"hydra": hydra}),
        ("overrides", hydra["overrides"]["task"]),
    ):
        (folder / f"{name}.yaml").write_text(yaml_file.dump(redaction.tree(part)), encoding="utf-8")


def unresolved(node: Any) -> dict[str, Any]:
    """Return a node of a config as dicts and lists, interpolations unresolved."""
    from omegaconf import OmegaConf

    return OmegaConf.to_container(node, resolve=False, enum_to_str=True)


def write_multirun(config: Any, sweep_dir: Path) -> None:
    """Write `multirun.yaml`, a sweep's own config, as Hydra's sweeper does, secrets hidden."""
    text = yaml_file.dump(redaction.tree(unresolved(config)))
    (sweep_dir / MULTIRUN).write_text(text, encoding="utf-8")


def hide_secrets_in_multirun(sweep_dir: Path) -> None:
    """Hide the secrets in the `multirun.yaml` of a sweeper of another package.

    Hydra's `BasicSweeper` (1.3.8) saves the config as it is, passwords of a tracking address included, and has no switch.
    """
    path = sweep_dir / MULTIRUN
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    tree = yaml_file.parse(text)
    hidden = redaction.tree(tree)
    if hidden != tree:
        path.write_text(yaml_file.dump(hidden), encoding="utf-8")
