"""`trainrun init [DIR]`: create a project: conf/, a plug-in, a dataset."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trainrun.commands._parser import Parser
from trainrun.errors import UserError
from trainrun.registry.lookup import PACKAGE
from trainrun.ui import console
from trainrun.util import paths

TEMPLATE = PACKAGE / "project"


def main(argv: Sequence[str]) -> int:
    """Write the project's files without overwriting existing ones."""
    parser = Parser(
        prog="trainrun init",
        description="Create a project: conf/, a plug-in with a loss and a dataset, a README.",
    )
    parser.add_argument(
        "folder", nargs="?", default=".", metavar="DIR", help="target folder (default: the working directory)"
    )
    folder = paths.expanded(parser.parse_args(argv).folder)
    above = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    if not above.is_dir():
        raise UserError(f"{above} is a file; name a folder instead; it may be new.")
    files = {
        source: folder / _target(source)
        for source in sorted(TEMPLATE.rglob("*"))
        if source.is_file() and source.suffix != ".pyc"
    }
    existing = [str(target) for target in files.values() if os.path.lexists(target)]
    if existing:
        raise UserError(
            f"{', '.join(existing)} exist already and would be overwritten. Name an empty folder: trainrun init my_project."
        )
    parents = {p for target in files.values() for p in target.parents if not os.path.lexists(p)}
    written: list[Path] = []
    try:
        for source, target in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            written.append(target)
            shutil.copyfile(source, target)
    except (OSError, ValueError) as error:  # ValueError: a NUL
        for path in [*written, *sorted(parents, reverse=True)]:  # leave no partial project
            with suppress(OSError, ValueError):
                path.rmdir() if path in parents else path.unlink()
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot write to {folder}: {why}. Name a folder that you can write to.") from error
    for target in files.values():
        console.say(f"  {target}")
    enter = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    console.say(f"Ready. Next: {enter}trainrun", style="green")
    return 0


def _target(source: Path) -> Path:
    relative = source.relative_to(TEMPLATE)
    # A file named .gitignore inside the package would make git and packaging tools skip files.
    return relative.with_name(".gitignore") if relative.name == "gitignore" else relative
