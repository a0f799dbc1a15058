"""The components that the source of a plug-in registers, read without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainrun.errors import Problem, did_you_mean
from trainrun.registry import lookup, registrations


def parsed(plugin: str, path: Path) -> ast.Module | Problem:
    """Return the syntax tree of a source file, or why there is none."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except OSError as error:
        return Problem("plugins", f"{plugin} cannot be read: {error.strerror}.")
    except (RecursionError, MemoryError):
        return Problem("plugins", f"{plugin} is nested too deeply to be read.")
    except SyntaxError as error:
        place = f"{plugin}, line {error.lineno}" if error.lineno else plugin
        return Problem("plugins", f"{place}: this is not Python: {error.msg}.")
    except (UnicodeDecodeError, ValueError) as error:
        return Problem("plugins", f"{plugin} is not a text file of Python: {error}.")


def announce(
    plugin: str, shown: str, module: str, path: Path, tree: ast.Module, places: dict[tuple[str, str], Any]
) -> Iterator[Problem]:
    """Register the components of one module by name.

    Args:
        plugin: to which it belongs.
        shown: how messages call the file.
        module, path, tree: its name, file and source.
        places: group and name -> file, line and text of where it is registered; grows.

    Yields:
        The problems.
    """
    for group, line in registrations.computed(tree):
        lookup.announce_computed(group, f"{shown}, line {line}")
    for registration in registrations.of(tree):
        group, name, call = registration.group, registration.name, registration.call
        place = f"{shown}, line {call.lineno}"
        if group not in lookup.KERAS:
            text = f"register({group!r}): no such group.{did_you_mean(group, lookup.KERAS)}"
            yield Problem("plugins", f"{place}: {text}")
            continue
        if group == "tracking":
            text = (
                "a tracker is a folder of trainrun (docs/tracking.md). A callback may send what it gets, too."
            )
            yield Problem("plugins", f"{place}: register('tracking'): {text}")
            continue
        if fault := lookup.name_fault(group, name):
            yield Problem("plugins", f"{place}: {fault}")
            continue
        first = places.setdefault((group, name), (path, call.lineno, place))
        if first[:2] != (path, call.lineno):
            text = f"register({group!r}, {name!r}): {first[2]} registers this name, too. Rename one of them."
            yield Problem("plugins", f"{place}: {text}")
            continue
        try:
            declared = registration.declared(tree)
        except ValueError as error:
            yield Problem("plugins", f"{place}: register({group!r}): {error}")
            continue
        source, origin = path if registration.defined else None, f"plug-in {plugin}"
        lookup.announce(
            lookup.Component(group, name, origin, module, registration.attribute, source, declared)
        )
