"""What a sweep began with: its settings, and the code, whose edits are noticed while it runs."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "snapshot"


def settings(config: Any) -> dict[str, Any]:
    """Return what a sweep's own process needs of the config, as plain values."""
    from omegaconf import OmegaConf

    sweep = OmegaConf.to_container(config.sweep, resolve=True)
    varied = [str(o).partition("=")[0].lstrip("+") for o in config.hydra.overrides.task if _varies(str(o))]
    return {
        "plugins": list(config.plugins),
        "command": list(_command()),
        "tracking": OmegaConf.to_container(config.tracking, resolve=True),
        "grace": float(config.checkpoint.grace),
        "varying": frozenset(varied + ["seed"] * bool(sweep["seeds"])),
        "seed": int(config.seed),
        "swept": {**_texts(config.hydra.overrides.task), **sweep["space"]},
        "name": config.name,
        "plots": bool(config.artifacts.plots),
        "launcher": _launcher(config.hydra),
        **sweep,
    }


def _launcher(hydra: Any) -> dict[str, Any]:
    """Return the launcher's name and settings: what goes on with the sweep takes the same."""
    from omegaconf import OmegaConf

    given = OmegaConf.to_container(hydra.launcher, resolve=True)
    name = str(hydra.runtime.choices["hydra/launcher"])
    return {"name": name, **{k: v for k, v in given.items() if k != "_target_"}}


def _texts(overrides: Sequence[Any]) -> dict[str, str]:
    """Return what is varied as it was typed: key -> values."""
    typed = (str(o).partition("=") for o in overrides if _varies(str(o)))
    return {key.lstrip("+"): values for key, _, values in typed}


def _varies(override: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(override).is_sweep_override()


def _command() -> Sequence[str]:
    import sys

    return ["trainrun", *sys.argv[1:]]


@dataclass(frozen=True)
class Taken:
    """The code as it was.

    Args:
        files: path -> SHA-256.
    """

    files: dict[Path, str]

    def unchanged(self) -> bool:
        """Tell whether the code still is what it was."""
        return all(_sum(path) == was for path, was in self.files.items())


def take(sweep_dir: Path, plugins: Sequence[str]) -> Taken:
    """Copy the plug-ins' files into the sweep's directory, and remember what they are."""
    files = [Path(p) for p in plugins if p.endswith(".py") and Path(p).is_file()]
    for path in files:
        (sweep_dir / FOLDER).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, sweep_dir / FOLDER / path.name)
    return Taken({path: _sum(path) for path in files})


def _sum(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
