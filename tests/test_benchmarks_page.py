"""docs/benchmarks.md is what benchmarks/page.py makes of the result files, and so is README's table of speeds; no figure stands anywhere else."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"


def module(name, monkeypatch):
    """Import a file of benchmarks/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, loaded)  # dataclasses look their module up
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def page(monkeypatch):
    return module("page", monkeypatch)


@pytest.fixture
def results_file(monkeypatch):
    return module("results_file", monkeypatch)


def test_page_is_generated_from_the_result_files(page):
    written = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert written == page.page(BENCHMARKS / "results"), "run: python benchmarks/page.py"


def test_the_table_of_readme_is_generated_from_the_result_file(page):
    written = (ROOT / "README.md").read_text(encoding="utf-8")
    result = json.loads((BENCHMARKS / "results" / "training_speed.json").read_text())
    assert all(mark in written for mark in page.MARKS)
    assert written == page.with_speed(written, result), "run: python benchmarks/page.py"


def test_every_result_file_and_every_script_has_a_section(page):
    sections = {s.name for s in page.SECTIONS}
    assert {p.stem for p in (BENCHMARKS / "results").glob("*.json")} <= sections
    assert {p.stem for p in BENCHMARKS.glob("*.py")} - {
        "page",
        "results_file",
        "options",
        "stopwatch",
        "timing",
        "input_ways",
        "jax_peers",
        "lightning_peer",
    } <= sections


def test_missing_result_is_named_as_not_measured(page, tmp_path):
    text = page.page(tmp_path)
    assert text.count("not measured on this code") == len(page.SECTIONS)


def test_result_is_written_and_shown(page, results_file, tmp_path):
    path = tmp_path / "pruning.json"
    table = results_file.table(["a", "b"], [["x", 0.5], ["y", None]], "Title")
    goal = results_file.goal("speed", 2.0, 3.0, at_least=True)
    results_file.write(str(path), "python benchmarks/pruning.py", [table], [goal], ["A note."])
    result = json.loads(path.read_text())
    assert result["machine"]["cores"] >= 1 and "tensorflow" in result["versions"] and result["date"]
    text = page.page(tmp_path)
    assert (
        "Title:\n\n| a | b |\n| --- | ---: |\n| x | 0.5 |\n| y |  |\n\n- speed: 2 (goal: at least 3): **missed**"
        in text
    )
    assert "A note." in text and result["date"] in text


def test_numbers_of_a_column_have_the_same_decimals(page, results_file, tmp_path):
    rows = [[0.213, 223.3, 1_105_000], [0.09, 85.0, 2380.4], [11.75, None, 12.0]]
    table = results_file.table(["a", "b", "c"], rows)
    results_file.write(str(tmp_path / "pruning.json"), "python benchmarks/pruning.py", [table], [], [])
    assert "| 0.213 | 223.3 | 1,105,000 |\n| 0.090 | 85.0 | 2,380 |\n| 11.750 |  | 12 |" in page.page(
        tmp_path
    )


def test_an_older_result_stands_beside_the_new_one(page, results_file, tmp_path):
    columns = ["model", "batch", "fit / plain", "examples/s", "xla / plain"]
    table = results_file.table(columns, [["mlp", 32, 4.0, 7, 9.0], ["new", 32, 3.0, 7, 9.0]])
    results_file.write(str(tmp_path / "pruning.json"), "python benchmarks/pruning.py", [table])
    (tmp_path / "before").mkdir()
    older = {"date": "2026-01-01", "tables": [{"columns": columns[:4], "rows": [["mlp", 32, 2.0, 1]]}]}
    (tmp_path / "before" / "pruning.json").write_text(json.dumps(older))
    text = page.page(tmp_path)
    assert (
        "| model | batch | fit / plain before | fit / plain | xla / plain |\n| --- | ---: | ---: | ---: | ---: |\n| mlp | 32 | 2 | 4 | 9 |\n\n"
        in text
    )


def test_no_result_names_a_path_of_the_machine():
    for path in (BENCHMARKS / "results").glob("*.json"):
        assert not any(word in path.read_text() for word in ("/home", "/work", "/tmp", "/root")), path.name


@pytest.mark.parametrize(
    ("parts", "text", "names"),
    [
        (False, "shell,local", ["shell", "local"]),
        (False, "loc", None),
        (True, "loc,sh", ["local", "shell"]),
        (True, "local,nothing", None),
        (True, "", None),
    ],
)
def test_names_on_the_command_line_are_those_of_the_benchmark(parts, text, names, monkeypatch):
    read = module("options", monkeypatch).names(["shell", "local"], parts)
    if names is None:
        with pytest.raises(argparse.ArgumentTypeError, match="expected some of shell, local"):
            read(text)
    else:
        assert read(text) == names


@pytest.mark.parametrize(("power", "fixed"), [(1.0, 30.0), (2.0, 0.5)])
def test_exponent_is_that_of_what_is_added_to_the_smallest_size(power, fixed, monkeypatch):
    for name in ("options", "results_file"):
        module(name, monkeypatch)
    exponent, sizes = module("scaling", monkeypatch).exponent, [10, 100, 1000]
    assert exponent(sizes, [fixed + 0.3 * (n - 10) ** power for n in sizes])[0] == pytest.approx(power)
    assert exponent(sizes, [fixed] * 3) is None
