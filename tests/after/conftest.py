"""A project with real runs: of a table one of classes and one of numbers, two of arrays, and a sweep of two trials."""

from __future__ import annotations

import contextlib
import csv
import sys
from pathlib import Path

import numpy as np
import pytest

import trainrun

# For `made_up_runs`.
sys.path.insert(0, str(Path(__file__).parent))

QUICK = ["data=iris", "metric=accuracy", "tracking=none", "artifacts.plots=false", "artifacts.report=false"]


TABLE = [
    *("data=csv", "data.exclude=[id]", "model=linear", "tracking=none", "artifacts.plots=false"),
    *("artifacts.report=false", "trainer.epochs=4", "optimizer.learning_rate=0.05"),
]


def write_table(
    path: Path, count: int, seed: int, cities: tuple[str, ...] = ("Lima", "Oslo", "Rome")
) -> None:
    """Write people who buy or not, with what they spend."""
    random = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "age", "city", "spent", "buys"])
        for i in range(count):
            age, city = float(random.integers(18, 80)), i % len(cities)
            spent = 1000 + 20 * age + 300 * city + random.normal(0, 50)
            buys = "yes" if random.random() < age / 90 else "no"
            writer.writerow([f"p{i}", "" if i % 11 == 5 else age, cities[city], round(spent, 2), buys])


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """Return a folder with `outputs/`, made once; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("project")
    people = folder / "people.csv"
    write_table(people, 240, seed=1)
    people.write_text(people.read_text().replace(",,", ",?,", 1))
    write_table(folder / "new.csv", 120, seed=2)
    write_table(folder / "other.csv", 30, seed=3, cities=("Oslo", "Atlantis"))
    with contextlib.chdir(folder):
        for name, *overrides in (
            (
                "buyers",
                "data.target=buys",
                "data.positive=yes",
                "data.features=[age,city]",
                "metric=[accuracy,auc]",
            ),
            ("spending", "data.target=spent", "data.features=[age,city]", "metric=[mae,r2]"),
        ):
            trainrun.run([*TABLE, "data.path=people.csv", *overrides], f"outputs/runs/{name}")
        for name, *overrides in (
            ("first", "optimizer.learning_rate=0.01"),
            ("second", "optimizer=sgd", "trainer.batch_size=16"),
        ):
            trainrun.run([*QUICK, "trainer.epochs=3", *overrides], f"outputs/runs/{name}")
        trainrun.sweep(
            [
                *QUICK,
                "trainer.epochs=2",
                "optimizer.learning_rate=1e-1,1e-5",
                "hydra/launcher=basic",
                "hydra.sweep.dir=outputs/sweeps/rates",
            ]
        )
    return folder


@pytest.fixture
def within(project, monkeypatch):
    """Work in that project."""
    monkeypatch.chdir(project)
    return project
