"""Runs whose parts fail on purpose (`faulty.py`)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import trainrun

sys.path.insert(0, str(Path(__file__).parent))
from failing import QUICK


@pytest.fixture
def project(inside):
    """A folder with the plug-in and its dataset's YAML."""
    shutil.copy(Path(__file__).parent / "faulty.py", inside / "faulty.py")
    (inside / "conf" / "data").mkdir(parents=True)
    (inside / "conf" / "data" / "marked.yaml").write_text(
        "# For tests.\nname: marked\nat: 41 # which\nwhere: none # label | input | validation\nseed: 0 # of x\n"
    )
    return inside


@pytest.fixture
def run(project):
    """Return a function that runs, and one that runs to a failure and returns its message and directory."""

    def go(*overrides):
        return trainrun.run([*QUICK, *overrides])

    def fail(*overrides):
        with pytest.raises(trainrun.errors.TrainingError) as caught:
            go(*overrides)
        (run_dir,) = (project / "outputs" / "runs").iterdir()
        return str(caught.value), run_dir

    go.fail = fail
    return go
