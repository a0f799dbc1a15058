"""The difference between the code of two runs, as a patch: of the commits with the changes at the time, and of plug-ins."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainrun.artifacts import environment
from trainrun.run.result import RunResult
from trainrun.tracking import origin
from trainrun.util import git, redaction

PLUGINS = "plugins"  # folder of a run with copies of their sources


def between(
    one: RunResult, other: RunResult, starts: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> str | None:
    """Return the patch from the code of one run to that of another, secrets hidden.

    Args:
        one, other: the runs.
        starts: the start record of each.

    Returns:
        Empty where nothing is known to differ; None if it cannot be determined: the repository is not there, has not these commits, or the
        changes since do not apply to them any more.
    """
    states = [
        (str((start.get("git") or {}).get("commit") or ""), environment.read(run.run_dir).changes)
        for run, start in zip((one, other), starts, strict=True)
    ]
    patch: str | None = ""
    if states[0] != states[1]:
        folder = origin.workplace(one.run_dir, starts[0])
        with git.checkout(folder) as checkout:
            patch = None if checkout is None else checkout.difference(*states)
    if patch is None:
        return None
    plugins = "".join(_plugins(one.run_dir, other.run_dir, patch))
    return redaction.text(patch + plugins)


def _plugins(one: Path, other: Path, patch: str) -> Iterator[str]:
    """Yield the patches of plug-ins that are not in the repository's."""
    olds, news = _sources(one), _sources(other)
    for name in sorted(olds.keys() | news.keys()):
        old, new = olds.get(name, []), news.get(name, [])
        if old != new and f"/{Path(name).name}\n" not in patch:
            for line in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"):
                yield line if line.endswith("\n") else f"{line}\n"


def _sources(run_dir: Path) -> dict[str, list[str]]:
    """Return the lines of a run's plug-ins by their paths; of a resumed run those of the last attempt."""
    copies = sorted((run_dir / PLUGINS).glob("*"), key=lambda folder: folder.stat().st_mtime)
    return {
        file.relative_to(copies[-1]).as_posix().partition("/")[2]: file.read_text(
            "utf-8", "replace"
        ).splitlines(True)
        for file in (copies[-1].rglob("*.py") if copies else ())
    }
