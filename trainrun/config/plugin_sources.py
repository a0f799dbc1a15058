"""The source files of plug-ins: their places, the modules that they import from beside them, digests and copies."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainrun.util import paths

FILES_LIMIT = 2_000  # of a package: of a larger one, no files but the plug-in's own are copied
# Ends of the names of folders that describe an installed package.
_PACKAGES = (".dist-info", ".egg-info", "egg-info")
_FILE = re.compile(r"(\.py$)|^[./~]")


def is_file(plugin: str) -> bool:
    """Return whether a plug-in is named by its file (``./mine.py``), not by its module."""
    return _FILE.search(plugin) is not None


def locate(plugin: str) -> Path | None:
    """Return the source file of a plug-in, without importing it or its parents; None if there is none."""
    if is_file(plugin):
        path = paths.expanded(plugin).absolute()
        return path if os.path.isfile(path) else None  # unlike Path.is_file, also for a name that is too long
    top, *rest = plugin.split(".")
    for folder in ("", *sys.path):
        base = Path(folder or ".").absolute().joinpath(top, *rest)
        for candidate in (base.with_name(base.name + ".py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    try:
        spec = importlib.util.find_spec(top)  # an editable install may be found by a hook only
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    base = Path(spec.origin).parent.joinpath(*rest) if rest else Path(spec.origin)
    return next(
        (c for c in (base, base.with_name(base.name + ".py"), base / "__init__.py") if c.is_file()), None
    )


def declared(group: str) -> list[str]:
    """Return the modules that installed packages declare as entry points of a group."""
    if not any(map(functools.partial(_declares, group), sys.path)):
        return []
    import importlib.metadata  # with the metadata of all packages 40 ms

    return sorted({point.module for point in importlib.metadata.entry_points(group=group)})


def _declares(group: str, folder: str) -> bool:
    """Return whether a package in a folder of the search path may declare entry points of a group."""
    try:
        with os.scandir(folder or ".") as entries:
            files = [Path(e.path, "entry_points.txt") for e in entries if e.name.lower().endswith(_PACKAGES)]
    except NotADirectoryError:  # a zip file
        return True
    except OSError:
        return False
    return any(f.is_file() and group.encode() in f.read_bytes() for f in files)


def module_name(plugin: str, path: Path) -> str:
    """Return the name in `sys.modules` under which a plug-in is imported."""
    return f"trainrun_plugin_{path.stem}" if is_file(plugin) else plugin


def modules(plugin: str, path: Path, tree: ast.Module) -> Iterator[tuple[str, Path, ast.Module]]:
    """Yield name, file and syntax tree of a plug-in's module, and of those beside it that are imported with it, directly or indirectly.

    Args:
        plugin: as the config names it: of a module, those of its top package count; of a file, those in its folder.
        path, tree: its source.
    """
    by_file, parts = is_file(plugin), plugin.split(".")
    root = path.parent if by_file else path.parents[len(parts) - (path.name != "__init__.py")]
    collected: set[Path] = set()
    waiting = [(module_name(plugin, path), path)]
    while waiting and len(collected) < FILES_LIMIT:
        name, file = waiting.pop()
        if file in collected:
            continue
        collected.add(file)
        tree = tree if file == path else _tree(file)
        yield name, file, tree
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for imported in _imported_at_top(tree, package):
            base = root.joinpath(*imported.split("."))
            beside = (base.with_name(f"{base.name}.py"), base / "__init__.py")
            top = imported.partition(".")[0]
            if top not in sys.stdlib_module_names if by_file else top == parts[0]:
                waiting += [(imported, f) for f in beside if f.is_file()][:1]


def _tree(path: Path) -> ast.Module:
    """Return the syntax tree of a source file; an empty one if it cannot be read."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _imported_at_top(tree: ast.Module, package: str) -> list[str]:
    """Return the modules that a source file may import when it is imported itself.

    Args:
        tree: of the file.
        package: its own, in which relative imports begin.
    """
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return list(filter(None, names))


def sources(plugins: Iterable[str]) -> dict[str, Path]:
    """Return the source file of each plug-in that has one."""
    return {plugin: path for plugin in plugins if (path := locate(plugin)) is not None}


def files(plugin: str) -> tuple[Path, list[Path]] | None:
    """Return a root and the source files below it: of a plug-in named by file, itself and the modules that it imports from beside it.

    Args:
        plugin: as the config names it.

    Returns:
        Of a module, all files of its top package, if they are not too many; None for an installed package, whose version is
        recorded, and without a source.
    """
    path = locate(plugin)
    if path is None or _is_installed(path):
        return None
    if is_file(plugin):
        return path.parent, sorted(_with_neighbours(path))
    parts = plugin.split(".")
    root = path.parents[len(parts) - (path.name != "__init__.py")]
    top = root / parts[0]
    return root, _of_package(top) or [path]


def all_files(plugins: Iterable[str]) -> list[Path]:
    """Return the source files of several plug-ins as `files` finds them."""
    return [file for plugin in plugins for file in (files(plugin) or (Path(), []))[1]]


def digests(plugins: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each plug-in's source, and of each module that it imports from beside it, by its path.

    That of a package is over all its modules; a module's top package counts by its name.
    """
    hashes = {}
    for plugin, path in sources(plugins).items():
        own = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
        hashes[plugin] = _sum(path.parent, own)
        root, others = files(plugin) or (path.parent, [])
        if is_file(plugin):
            hashes |= {os.path.relpath(file): _sum(root, [file]) for file in others if file not in own}
        elif "." in plugin:
            hashes.setdefault(plugin.partition(".")[0], _sum(root, others))
    return hashes


def copy(plugins: Iterable[str], folder: Path) -> None:
    """Copy the source files of the plug-ins to a folder that is named by their digest, if it is not there yet.

    Args:
        plugins: as the config names them.
        folder: in which the folder is made. A resumed run with edited plug-ins adds another.
    """
    known = [
        (number, listed) for number, plugin in enumerate(plugins) if (listed := files(plugin)) is not None
    ]
    if not known:
        return
    total = hashlib.sha256("".join(_sum(root, each) for _, (root, each) in known).encode()).hexdigest()
    for number, (root, each) in known:
        for file in each:
            target = folder / total[:8] / str(number) / file.relative_to(root)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


def _sum(root: Path, members: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in members:
        try:
            content = file.read_bytes()
        except OSError:
            continue
        total.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _is_installed(path: Path) -> bool:
    return bool({"site-packages", "dist-packages"} & {*path.parts}) or path.is_relative_to(
        sysconfig.get_paths()["stdlib"]
    )


def _of_package(folder: Path) -> list[Path]:
    """Return the modules in a folder; none if there are more than `FILES_LIMIT`."""
    modules = sorted(folder.rglob("*.py"))
    return modules if len(modules) <= FILES_LIMIT else []


def _with_neighbours(path: Path) -> set[Path]:
    """Return a source file and the files beside it that it imports, directly or indirectly."""
    collected: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in collected:
            continue
        collected.add(file)
        for name in _imported(file):
            beside = path.parent / name
            if beside.with_suffix(".py").is_file():
                waiting.append(beside.with_suffix(".py"))
            elif (beside / "__init__.py").is_file():
                waiting += _of_package(beside)
    return collected


def _imported(path: Path) -> set[str]:
    """Return the top-level names that a source file imports."""
    collected: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            collected |= {a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [a.name for a in node.names]
            collected |= {n.partition(".")[0] for n in names}
    return collected - sys.stdlib_module_names
