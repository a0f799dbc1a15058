"""What a trial needs on another machine besides its config: this very package with its options, conf/, and plug-ins.

Data is not sent: what `data` names must be there, or be seen from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config import options, plugins
from trainrun.registry import PACKAGE

FOLDER = "shipped"  # for plug-ins that are files


def stage(named: Sequence[str], where: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Lay out what goes to the workers.

    Args:
        named: the plug-ins, as the config names them.
        where: an empty folder.

    Returns:
        Ray's runtime environment, and for each plug-in that is a file its name there.
    """
    package, work = where / "code" / PACKAGE.name, where / "work"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "conf"))
    shutil.copytree(options.package_conf(), package / "conf")
    work.mkdir()
    if (mine := Path.cwd() / "conf").is_dir() and mine.resolve() != options.package_conf().resolve():
        shutil.copytree(mine, work / "conf")
    renamed = {}
    for i, (name, source) in enumerate(plugins.sources(named).items()):
        if name.endswith(".py") or "/" in name:
            target = Path(FOLDER, str(i), source.name)
            (work / target).parent.mkdir(parents=True)
            shutil.copyfile(source, work / target)
            renamed[name] = f"./{target.as_posix()}"
        elif source.is_relative_to(Path.cwd()):  # a module of the user's own project
            top = Path.cwd() / source.relative_to(Path.cwd()).parts[0]
            if top.is_dir() and not (work / top.name).exists():
                shutil.copytree(top, work / top.name, ignore=shutil.ignore_patterns("__pycache__"))
            elif top.is_file():
                shutil.copyfile(top, work / top.name)
    return {"py_modules": [str(package)], "working_dir": str(work)}, renamed


def there(told: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Return what a worker is told of a trial, with the plug-ins' names where the sweep's folder is not seen."""
    named = [renamed.get(p, p) for p in told["plugins"]]
    mine = [renamed.get(p, p) for p in told["config"]["plugins"]]
    return {**told, "plugins": named, "config": {**told["config"], "plugins": mine}, "path": []}
