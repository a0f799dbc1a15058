"""The projects of examples/ train as their plain Keras scripts do, to 1e-4, under every trainer, and their tables are true."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

import trainrun

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/plain_keras.py"))
RECORD_ONLY = ["tracking=none", "artifacts.weights=last", "artifacts.plots=false", "artifacts.report=false"]
TRAINERS = ("fit", "train_on_batch", "custom")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_epochs_are_those_of_the_plain_script(name, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(EXAMPLES / name, tmp_path / name)
    monkeypatch.chdir(folder)
    runpy.run_path("make_data.py")
    plain = runpy.run_path("plain_keras.py")["history"].history
    assert len(plain["loss"]) == 3
    readme = (folder / "README.md").read_text()
    metric, score = re.search(r"^Score: (\w+) ([\d.]+)$", readme, re.M).groups()
    *before, last = re.findall(r"^    trainrun ?(.*)$", readme, re.M)
    for command in before:
        trainrun.run([*RECORD_ONLY, *command.split()])
    for trainer in TRAINERS:
        # One of them also writes the model, whose file is tried before training.
        model = [] if trainer == "fit" else ["artifacts.model=false"]
        result = trainrun.run([*RECORD_ONLY, *model, f"trainer={trainer}", *last.split()])
        for column, values in plain.items():
            np.testing.assert_allclose(
                result.history[column], values, atol=1e-4, err_msg=f"{trainer} {column}"
            )
        assert result.metrics[metric] == pytest.approx(float(score), abs=0.002)


def lines(path: Path) -> int:
    """Return the lines of code of a file: no blank ones, comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    code = {i for i, line in enumerate(text.splitlines(), 1) if line.strip() and line.strip()[0] != "#"}
    for node in ast.walk(ast.parse(text)) if path.suffix == ".py" else ():
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(code)


def test_the_table_counts_the_lines_and_names_every_example():
    row = re.compile(r"^\| \[(\w+)\]\(\1/README\.md\) \|[^|]*\| (\d+) \| (\d+) \| (\d+) \|$", re.M)
    table = {
        name: tuple(map(int, counts)) for name, *counts in row.findall((EXAMPLES / "README.md").read_text())
    }
    counted = {}
    for name in NAMES:
        folder = EXAMPLES / name
        plugins = [p for p in folder.glob("*.py") if p.name not in ("make_data.py", "plain_keras.py")]
        counted[name] = (
            sum(map(lines, folder.glob("conf/**/*.yaml"))),
            sum(map(lines, plugins)),
            lines(folder / "plain_keras.py"),
        )
    assert table == counted
