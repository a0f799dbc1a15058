"""The runtime environment of trials on another machine: this package with its options, the project's conf/, and plug-ins.

Data is not sent: the files that `data` names must be accessible from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainrun.config import plugin_sources
from trainrun.registry import option_files
from trainrun.registry.lookup import PACKAGE
from trainrun.sweep.launchers.protocol import ClusterTask

FOLDER = "shipped"  # for plug-ins, with what they import from beside them


def stage(named: Sequence[str], where: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Collect the files for the workers.

    Args:
        named: the plug-ins, as the config names them.
        where: an empty folder.

    Returns:
        Ray's runtime environment, and for each plug-in that is a file its name there.
    """
    package, work = where / "code" / PACKAGE.name, where / "work"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "conf"))
    shutil.copytree(option_files.package_conf(), package / "conf")
    work.mkdir()
    renamed, here = {}, Path.cwd()
    own_conf = here / "conf"
    if own_conf.is_dir() and own_conf.resolve() != option_files.package_conf().resolve():
        shutil.copytree(own_conf, work / "conf")
    for number, name in enumerate(named):
        if (located := plugin_sources.files(name)) is None:
            continue
        root, files = located
        # What lies in the folder that trainrun is called in keeps its place: records name it as it is named here.
        place = root.relative_to(here) if root.is_relative_to(here) else Path(FOLDER, str(number))
        for file in files:
            target = work / place / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        if plugin_sources.is_file(name):
            renamed[name] = f"./{(place / Path(name).name).as_posix()}"
    return {"py_modules": [str(package)], "working_dir": str(work)}, renamed


def on_worker(task: ClusterTask, renamed: Mapping[str, str]) -> ClusterTask:
    """Return a trial's task with the plug-ins' names on a worker without access to the sweep's folder."""
    here = Path.cwd()  # Ray's working_dir
    return replace(
        task,
        trial=replace(task.trial, plugins=[renamed.get(p, p) for p in task.trial.plugins]),
        path=[str(here), *sorted(str(p) for p in (here / FOLDER).glob("*"))],
    )
