"""The user's own components: `plugins: [./my_losses.py, my_package.metrics]` and the entry points `trainrun.plugins`.

A plug-in is first *announced*: its source is read for `@trainrun.register("loss", "my_loss")`, so that names and
arguments are known before TensorFlow loads. It is *imported* once the config has passed every check.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config import plugin_sources
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry import lookup, option_files, saved_names
from trainrun.ui import console
from trainrun.util import paths, yaml_file

ENTRY_POINTS = "trainrun.plugins"
_TYPED = re.compile(r"\+{0,2}plugins(?P<adds>\+)?=\[(?P<names>.*)\]")
# The choice of options that may name plug-ins: experiment=mine, experiment=a,b of a sweep.
_PRESET = re.compile(r"\+{0,2}(?P<group>experiment|debug)=(?P<names>[\w,/-]+)")


def early(overrides: Sequence[str]) -> list[str]:
    """Return the plug-ins that a command line names, before anything is composed.

    As in the composed config, a list of the command line counts instead of one of its experiment or debug run, and that
    instead of the nearest primary config's; ``plugins+=[…]`` adds to the list. Of a sweep over several experiments, the lists of
    all of them count.
    """
    named: list[str] = []
    for _, folder in option_files.search_path():
        primary = folder / "config.yaml"
        if primary.is_file():
            named = (
                []
                if folder == option_files.package_conf()
                else _listed(functools.partial(yaml_file.load, primary))
            )
            break
    chosen = [match for text in overrides if (match := _PRESET.fullmatch(text))]
    presets = [
        option_files.find(match["group"], name) for match in chosen for name in match["names"].split(",")
    ]
    named = (
        list(dict.fromkeys(p for o in presets if o is not None for p in _listed(lambda o=o: o.tree))) or named
    )
    for text in overrides:
        if match := _TYPED.fullmatch(text):
            typed = [p.strip().strip("'\"") for p in match["names"].split(",") if p.strip()]
            named = list(dict.fromkeys([*named, *typed])) if match["adds"] else typed
    return named


def written_out(overrides: Sequence[str]) -> list[str]:
    """Return the overrides with the whole list for ``plugins+=[…]``, which Hydra's grammar does not have."""
    matches = [_TYPED.fullmatch(text) for text in overrides]
    if not any(match and match["adds"] for match in matches):
        return list(overrides)
    listed = ",".join(f"'{plugin}'" for plugin in early(overrides))
    return [text for text, match in zip(overrides, matches, strict=True) if not match] + [
        f"plugins=[{listed}]"
    ]


def _listed(read: Callable[[], Mapping[str, Any]]) -> list[str]:
    """Return the plug-ins that a YAML names; what is wrong with the file is reported when it is composed."""
    try:
        named = read().get("plugins")
    except UserError:
        return []
    return [p for p in named if isinstance(p, str)] if isinstance(named, list) else []


def announce(plugins: Iterable[str]) -> list[Problem]:
    """Register the components of the plug-ins by name, from their source alone.

    Those of modules that a plug-in imports from beside it count as its own.

    Returns:
        The problems: a missing file, a syntax error, a group that does not exist.
    """
    problems: list[Problem] = []
    places: dict[tuple[str, str], tuple[Path, int, str]] = {}
    located = {plugin: plugin_sources.locate(plugin) for plugin in plugins}
    if not located:
        return []
    from trainrun.config import plugin_registrations
    from trainrun.registry import registrations

    own = {path for path in located.values() if path is not None}
    for plugin, path in located.items():
        if path is None:
            problems.append(Problem("plugins", _missing(plugin)))
            continue
        _unload_edited(plugin_sources.module_name(plugin, path))
        tree = plugin_registrations.parsed(plugin, path)
        if isinstance(tree, Problem):
            problems.append(tree)
            continue
        if not _is_meant(path):
            problems.append(
                Problem(
                    "plugins",
                    f"{plugin} registers nothing, so it is not imported. A plug-in decorates its components with "
                    '@trainrun.register("loss", "my_loss").',
                )
            )
            continue
        for name, line in registrations.uninitialized(tree):
            text = f"__init__ of {name} does not call super().__init__(), without which Keras' class does not work."
            problems.append(Problem("plugins", f"{plugin}, line {line}: {text} Make it the first statement."))
        for module, file, inside in plugin_sources.modules(plugin, path, tree):
            if file == path or file not in own:
                own.add(file)
                shown = plugin if file == path else os.path.relpath(file)
                problems += plugin_registrations.announce(plugin, shown, module, file, inside, places)
    return problems


def entry_points() -> list[str]:
    """Return the modules that installed packages declare under the entry-point group `trainrun.plugins`."""
    return plugin_sources.declared(ENTRY_POINTS)


def offered(config: Mapping[str, Any] | None = None) -> list[str]:
    """Return the plug-ins of installed packages that this process has announced, since something was missing without them.

    Args:
        config: resolved: only those of which it names a component.
    """
    modules = {
        c.origin.removeprefix("plug-in ")
        for c in lookup.announced()
        if config is None or c.name in _words(config)
    }
    if not (modules := {name for name in modules if not plugin_sources.is_file(name)}):
        return []
    return sorted(modules.intersection(entry_points()))


def _words(tree: Any) -> set[str]:
    """Return all texts among the values of a config."""
    inside = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ()
    return set().union(*map(_words, inside)) | ({tree} if isinstance(tree, str) else set())


def load(plugins: Iterable[str]) -> None:
    """Import the plug-ins, each once a process.

    Raises:
        UserError: one of them raised while it was imported; the message names file and line.
    """
    problems = announce(plugins)
    for plugin in plugins if not problems else ():
        path = plugin_sources.locate(plugin)
        name = plugin_sources.module_name(plugin, path) if path else plugin
        by_path, before = path is not None and plugin_sources.is_file(plugin), sys.modules.get(name)
        if by_path and getattr(before, "__file__", None) == str(path):
            continue
        read = {str(file): paths.version(file) for file in (plugin_sources.files(plugin) or ("", ()))[1]}
        try:
            folder = str(path.parent) if by_path and path else str(Path.cwd())
            if folder not in sys.path:
                sys.path.append(folder)  # last, so that a neighbour hides no installed module
            with console.hushed():
                if by_path:
                    spec = importlib.util.spec_from_file_location(name, path)
                    module = importlib.util.module_from_spec(spec)
                    sys.modules[name] = module
                    spec.loader.exec_module(module)
                else:
                    module = importlib.import_module(plugin)
            if module is not before and module.__spec__ is not None:
                module.__spec__.loader_state = read
            saved_names.offer(name)
        except (
            Exception,
            SystemExit,
        ) as error:  # sys.exit in a script would end this process with its status, 0
            sys.modules.pop(name, None)
            problems.append(
                Problem(
                    "plugins",
                    f"{plugin} cannot be imported: {_where(error, path)}{': '.join(filter(None, (type(error).__name__, str(error))))}. Mend it, or leave it out.",
                )
            )
    if problems:
        raise UserError(problems)


def _unload_edited(name: str) -> None:
    """Forget a plug-in of which a file has changed since this process imported it (a notebook's): `load` imports it anew.

    Args:
        name: in `sys.modules`; its spec holds the versions of the files that were read.
    """
    read = getattr(getattr(sys.modules.get(name), "__spec__", None), "loader_state", None)
    if not isinstance(read, dict) or all(paths.version(file) == version for file, version in read.items()):
        return
    for loaded, module in [*sys.modules.items()]:
        if loaded == name or getattr(module, "__file__", None) in read:
            lookup.forget(loaded)
            del sys.modules[loaded]


def _where(error: BaseException, path: Path | None) -> str:
    """Return `file, line n: ` of the innermost frame inside the plug-in."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if path is not None and Path(f.filename) == path
    ]
    return f"{path}, line {frames[-1].lineno}: " if frames else ""


def _is_meant(path: Path) -> bool:
    """Return whether a module is a plug-in: its source, or that of its package, mentions trainrun or registers with Keras.

    No other module is imported because a config names it.
    """
    files = sorted(path.parent.rglob("*.py"))[:500] if path.name == "__init__.py" else [path]
    return any(
        word in text
        for file in files
        for text in (file.read_text(encoding="utf-8", errors="replace"),)
        for word in ("trainrun", "register_keras_serializable")
    )


def _missing(plugin: str) -> str:
    if not plugin_sources.is_file(plugin):
        return (
            f"there is no module {plugin!r} on Python's path. A file is named with its ending: ./{plugin}.py."
        )
    path = paths.expanded(plugin).absolute()
    if os.path.isdir(path):
        package = f"plugins=[{path.name}]" if (path / "__init__.py").is_file() else f"{plugin}/mine.py"
        return f"{plugin} is a folder. Name a package by its module, or one file: {package}."
    near = (
        did_you_mean(path.name, [p.name for p in path.parent.glob("*.py") if p.name != path.name])
        if os.path.isdir(path.parent)
        else ""
    )
    return f"there is no file {plugin} (looked for {path}).{near}"
