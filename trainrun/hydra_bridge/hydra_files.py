"""What Hydra would write of a job, `.hydra/*.yaml` and `multirun.yaml`, without the secrets that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.util import redaction, yaml_file

FOLDER = ".hydra"
MULTIRUN = "multirun.yaml"  # in a sweep's directory


def write(tree: Mapping[str, Any], run_dir: Path) -> None:
    """Write `.hydra/config.yaml`, `hydra.yaml` and `overrides.yaml` into a run's directory, secrets hidden.

    conf/trainrun.yaml has Hydra write none itself (`hydra.output_subdir: null`): it would write passwords of a
    tracking address as they were typed. Where a project's config says otherwise, its files are replaced at once.

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
    """Return a node of a config as dicts and lists, its interpolations as they are written."""
    from omegaconf import OmegaConf

    return OmegaConf.to_container(node, resolve=False, enum_to_str=True)


def hide(path: Path) -> None:
    """Write a YAML file anew without its secrets, if there is one and it has any."""
    if not path.is_file():
        return
    said = path.read_text(encoding="utf-8")
    there = yaml_file.parse(said)
    hidden = yaml_file.dump(redaction.tree(there))
    if redaction.text(said) != said or yaml_file.parse(hidden) != there:
        path.write_text(hidden, encoding="utf-8")
