"""What Hydra would write of a job, `.hydra/*.yaml` and `multirun.yaml`, without the secrets that it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainrun.config import yaml_file
from trainrun.tracking import redact

FOLDER = ".hydra"
MULTIRUN = "multirun.yaml"  # in a sweep's directory


def write(config: Any, run_dir: Path) -> None:
    """Write `.hydra/config.yaml`, `hydra.yaml` and `overrides.yaml` into a run's directory, secrets hidden.

    conf/trainrun.yaml has Hydra write none itself (`hydra.output_subdir: null`): it would write passwords of a
    tracking address as they were typed. Where a project's config says otherwise, its files are replaced at once.

    Args:
        config: the job's config, without Hydra's node.
        run_dir: exists.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    hydra = HydraConfig.instance().cfg
    folder = run_dir / str(hydra.hydra.output_subdir or FOLDER)
    folder.mkdir(exist_ok=True)
    for name, node in (("config", config), ("hydra", hydra), ("overrides", hydra.hydra.overrides.task)):
        tree = redact.tree(OmegaConf.to_container(node, resolve=False, enum_to_str=True))
        (folder / f"{name}.yaml").write_text(yaml_file.dump(tree), encoding="utf-8")


def hide(path: Path) -> None:
    """Write a YAML file anew without its secrets, if there is one and it has any."""
    if not path.is_file():
        return
    said = path.read_text(encoding="utf-8")
    there = yaml_file.parse(said)
    hidden = yaml_file.dump(redact.tree(there))
    if redact.text(said) != said or yaml_file.parse(hidden) != there:
        path.write_text(hidden, encoding="utf-8")
