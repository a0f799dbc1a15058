"""`trainrun compare`: what differs between real runs, and whether their metrics can be told apart."""

from __future__ import annotations

import json
import math

import pytest

from trainrun.after import compare
from trainrun.cli import main
from trainrun.run.result import RunResult


def test_only_what_differs_is_named_with_the_place_that_set_it(within):
    comparison = compare.compare([within / "outputs/runs/first", within / "outputs/sweeps/rates/1"])
    config = {d.name: d for d in comparison.config}
    assert config["optimizer.learning_rate"].values == [0.01, 1e-5]
    assert config["optimizer.learning_rate"].places == [
        "optimizer.learning_rate=0.01",
        "optimizer.learning_rate=1e-05",
    ]
    assert config["trainer.epochs"].values == [3, 2]
    assert not any(d.name.startswith(("data.", "seed", "optimizer.name")) for d in comparison.config)
    assert comparison.code == comparison.packages == comparison.machine == comparison.data == []
    assert [len(c) for c in comparison.curves["val_loss"]] == [3, 2]


def test_code_packages_and_data_that_changed_are_named(within, tmp_path):
    import shutil

    for name in ("a", "b"):
        shutil.copytree(within / "outputs/runs/first", tmp_path / name)
    changed = tmp_path / "b"
    text = (changed / "environment.txt").read_text()
    version = next(line for line in text.splitlines() if line.startswith("numpy=="))
    (changed / "environment.txt").write_text(
        text.replace(version, "numpy==0.0.1") + "\nChanges since the commit\n------------------------\n+one\n"
    )
    journal = (changed / "journal.jsonl").read_text()
    digest = json.loads(journal.splitlines()[0])["dataset"]["digest"]
    (changed / "journal.jsonl").write_text(journal.replace(digest, "0" * 64))
    comparison = compare.compare([tmp_path / "a", changed])
    assert [(d.name, d.values[1]) for d in comparison.packages] == [("numpy", "0.0.1")]
    assert [d.name for d in comparison.code] == ["uncommitted changes"]
    assert [(d.name, d.values[1]) for d in comparison.data] == [("digest", "0" * 12)]


@pytest.mark.parametrize(
    ("metric", "first", "second", "verdict"),
    [
        ("test_loss", 0.5, 0.4, "better"),
        ("test_accuracy", 0.8, 0.8, "equal"),
        # Of 100 examples: standard errors by the binomial distribution.
        ("test_accuracy", 0.80, 0.80 + 1.9 * math.sqrt(0.8 * 0.2 / 100 + 0.9 * 0.1 / 100), "no difference"),
        ("test_accuracy", 0.80, 0.80 - 2.4 * math.sqrt(2 * 0.8 * 0.2 / 100), "worse"),
        ("test_unheard_of", 0.1, 0.9, ""),
    ],
)  # fmt: skip
def test_a_verdict_needs_a_direction_and_more_than_chance(
    monkeypatch, tmp_path, metric, first, second, verdict
):
    runs = {
        name: RunResult(tmp_path, "FINISHED", {metric: value}, {}, {"data": {"parts": {"test": 100}}})
        for name, value in (("a", first), ("b", second))
    }
    for run in runs.values():
        run.config = {"metric": {}}
    (row,) = compare.metrics([runs["a"], runs["b"]])
    assert row.verdicts == ["", verdict]


def test_it_is_printed_for_people_and_programs(within, capsys):
    assert main(["compare", "first", "second", "best"]) == 0
    out = capsys.readouterr().out
    assert "B against A" in out and "C against A" in out and "val_loss by epoch" in out and "▁" in out
    assert main(["compare", "first", "second", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {m["name"] for m in content["metrics"]} >= {"test_accuracy", "val_loss", "loss"}
    assert main(["compare", "first"]) == 2
