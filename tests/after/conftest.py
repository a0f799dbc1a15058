"""A project with real runs: two by themselves, and a sweep of two trials."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

import trainrun

QUICK = ["data=iris", "metric=accuracy", "tracking=none", "artifacts.plots=false", "artifacts.report=false"]


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """Return a folder with `outputs/`, made once; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("project")
    with contextlib.chdir(folder):
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
