"""Private names of libraries stand in `trainrun/compat/` only, and each use there says why, and what it was checked with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "trainrun"
COMPAT = sorted((PACKAGE / "compat").glob("*_private.py"))
OTHERS = sorted(p for p in PACKAGE.rglob("*.py") if p.parent.name != "compat" and "project" not in p.parts)


def private_names(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each `thing._name` of a file, and each `getattr(thing, "_name")`, where the thing is not the object itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = ""
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            inherited = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
            name = "" if own or inherited else node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr", "hasattr"):
            name = getattr(node.args[1], "value", "") if len(node.args) > 1 else ""
        if isinstance(name, str) and name.startswith("_") and not name.endswith("__"):
            yield name, node.lineno


LIBRARY_NAMES = {name for path in COMPAT for name, _ in private_names(path)}


def test_the_search_finds_the_private_names_of_compat():
    assert {"_loss_tracker", "_rng", "_get_node"} <= LIBRARY_NAMES


def test_no_private_name_of_a_library_stands_outside_compat():
    outside = [
        f"{path.relative_to(PACKAGE)}:{line}: {name}"
        for path in OTHERS
        for name, line in private_names(path)
        if name in LIBRARY_NAMES
    ]
    assert outside == []


@pytest.mark.parametrize("path", COMPAT, ids=lambda p: p.name)
def test_every_use_documents_purpose_reason_and_version(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    of_file = ast.get_docstring(tree) or ""
    assert re.search(r"hecked(?: with)?:? [\w ]+ \d+\.\d+", of_file), (
        "the file names the version that it was checked with"
    )
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
            documentation = of_file + (ast.get_docstring(function) or "")
            for words in (("For",), ("ublic API",), ("hecked",), ("issing", "Without")):
                assert any(word in documentation for word in words), f"{function.name}: {words[0]}"


@pytest.mark.parametrize("path", COMPAT, ids=lambda p: p.name)
def test_every_file_of_compat_has_its_test(path):
    assert (Path(__file__).parent / f"test_{path.name}").is_file()
