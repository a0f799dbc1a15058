"""The code at the beginning of a sweep: options, plug-ins, the version of trainrun; copied, and checked for edits.

`SWEEP/snapshot/` holds copies of the option folders and of the plug-ins with the modules that they import from beside them.
`code.json` lists them, `package.diff` and `project.diff` are the differences to the last commit. Trials are composed
from the copied options, so that editing a YAML does not change later trials. Plug-ins are imported from the originals; a trial
that runs with an edited plug-in says so.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainrun.config import plugin_sources
from trainrun.errors import UserError
from trainrun.registry import folder_copies
from trainrun.registry.lookup import PACKAGE
from trainrun.util import paths

FOLDER = "snapshot"
FILE = "code.json"
SEEN = ("sha256", "bytes", "time", "copy")  # of a file
MOST = 2_000  # options of a folder: more than that is no config folder
SHOWN = 3


@dataclass
class Code:
    """The code at the beginning of the sweep.

    Args:
        plugins: path of each source file -> digest, size, and time of the last change.
        conf: path of each option file -> the same.
        folders: option folder -> its copy.
    """

    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)
    conf: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Compose from the copied options inside the `with`."""

        with folder_copies.used(self.folders):
            yield

    def edits(self) -> list[str]:
        """Return a message for edited plug-ins and one for edited options; empty without edits."""
        messages = []
        if code := _edited(self.plugins):
            messages.append(f"edited since the sweep began: {_named(code)}; this is run with the edited code")
        if conf := _edited(self.conf):
            messages.append(
                f"edited since the sweep began: {_named(conf)}; configs are composed of its copies"
            )
        return messages


def of(sweep_dir: Path, settings: Mapping[str, Any]) -> Code:
    """Return the code at the beginning of a sweep; it is copied if the sweep begins now.

    Args:
        sweep_dir: exists.
        settings: see `sweep_settings.settings`.
    """
    if (sweep_dir / FOLDER / FILE).is_file():
        return read(sweep_dir)
    return take(sweep_dir, settings)


def take(sweep_dir: Path, settings: Mapping[str, Any]) -> Code:
    """Copy the option folders and plug-ins, and record the versions and commits."""
    from trainrun.artifacts import environment

    folder = sweep_dir.absolute() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    code = Code()
    for number, (origin, conf) in enumerate(_conf_folders(settings)):
        copy = folder / "conf" / f"{number}_{origin}"
        for file in _option_files(conf):
            code.conf[str(file)] = _copied(file, copy / file.relative_to(conf))
        copy.mkdir(parents=True, exist_ok=True)
        code.folders[str(conf)] = str(copy)
    for number, plugin in enumerate(settings["plugins"]):
        root, files = plugin_sources.files(plugin) or (Path(), [])
        for file in files:
            code.plugins[str(file)] = _copied(file, folder / "plugins" / str(number) / file.relative_to(root))
    about: dict[str, Any] = {"versions": environment.versions()}
    for name, where in (("package", PACKAGE.parent), ("project", Path.cwd())):
        # An installed package may lie inside another project's checkout, whose commit is not the package's.
        about[name] = environment.git_state(where) if name == "project" or (where / ".git").exists() else None
        if about[name] and about[name]["dirty"]:
            (folder / f"{name}.diff").write_text(
                environment.git_diff(where), encoding="utf-8", errors="replace"
            )
    content = {
        **about,
        "folders": code.folders,
        "conf": code.conf,
        "plugins": code.plugins,
    }
    content = _relative(content, str(folder))
    with paths.whole(folder / FILE) as new:
        new.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return code


def read(sweep_dir: Path) -> Code:
    """Return the code at the beginning of a sweep, as written by `take`.

    Raises:
        UserError: it cannot be read.
    """
    folder = sweep_dir.absolute() / FOLDER
    try:
        content = json.loads(paths.content(folder / FILE))
        code = Code(
            {str(k): {name: v[name] for name in SEEN} for k, v in content["plugins"].items()},
            {str(k): {name: v[name] for name in SEEN} for k, v in content["conf"].items()},
            {str(k): str(_inside(folder, v)) for k, v in content["folders"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{folder / FILE} cannot be read: {type(error).__name__}: {error}. It lists the copies of the options that the sweep works on; "
            f"without the folder {folder.name}/ the sweep would go on with the code as it is now."
        ) from None
    return code


def near(run_dir: Path) -> Code | None:
    """Return the code of the sweep that a trial's directory belongs to, or None."""
    for folder in [*run_dir.absolute().parents][:3]:
        if (folder / FOLDER / FILE).is_file():
            return read(folder)
    return None


def _inside(folder: Path, copy: str) -> Path:
    """Return a copy's path, which is inside the snapshot whatever the file says."""
    path = Path(os.path.normpath(folder / copy))
    if not path.is_relative_to(folder):
        raise ValueError(f"{copy} leaves the snapshot")
    return path


def _relative(tree: Any, folder: str) -> Any:
    """Return the tree with the copies' paths relative to the snapshot, so that a sweep can be moved."""
    if isinstance(tree, Mapping):
        return {k: _relative(v, folder) for k, v in tree.items()}
    return tree[len(folder) + 1 :] if isinstance(tree, str) and tree.startswith(folder + os.sep) else tree


def _conf_folders(settings: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield the option folders of a sweep that may be edited: those of trainrun only in a checkout."""
    from trainrun.registry import option_files

    collected = option_files.search_path()
    if config_path := (settings.get("config") or {}).get("path"):
        collected = [*collected, ("main", Path(config_path))]
    for origin, folder in collected:
        if origin != "trainrun" or not folder.is_relative_to(PACKAGE):
            yield origin.replace(" ", "_"), folder.absolute()


def _option_files(folder: Path) -> list[Path]:
    collected = sorted(p for pattern in ("*.yaml", "*.yml") for p in folder.rglob(pattern) if p.is_file())
    if len(collected) > MOST:
        raise UserError(
            f"{folder} holds {len(collected):,} files of which a sweep keeps copies; expected at most {MOST:,}. "
            "Keep options in a folder of their own."
        )
    return collected


def _copied(file: Path, copy: Path) -> dict[str, Any]:
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, copy)
    state = file.stat()
    return {"sha256": _sum(copy), "bytes": state.st_size, "time": state.st_mtime_ns, "copy": str(copy)}


def _edited(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the files that have changed or were deleted; one whose folder does not exist here is on another machine."""
    collected = []
    for path, was in files.items():
        try:
            state = os.stat(path)
        except (OSError, ValueError):
            if os.path.isdir(os.path.dirname(path)):
                collected.append(path)
            continue
        same_time = (state.st_size, state.st_mtime_ns) == (was["bytes"], was["time"])
        if not same_time and (state.st_size != was["bytes"] or _sum(Path(path)) != was["sha256"]):
            collected.append(path)
    return collected


def _named(files: Sequence[str]) -> str:
    names = [os.path.relpath(f) for f in files[:SHOWN]]
    return ", ".join(names) + (f" and {len(files) - SHOWN} more" if len(files) > SHOWN else "")


def _sum(path: Path) -> str:
    try:
        return paths.sha256(path)
    except OSError:
        return ""
