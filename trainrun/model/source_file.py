"""The file that `init_from` means: of a run's directory, its model or its weights. Read without Keras."""

from __future__ import annotations

from pathlib import Path

from trainrun.util import paths

KEY, SKIP, OPTIMIZER = "init_from", "init_skip", "init_optimizer"
MODEL, WEIGHTS = "model.keras", "model.weights.h5"
KERAS, H5 = ".keras", ".weights.h5"


def located(init_from: str) -> Path:
    """Return the file with the weights; of a run's directory the model, else the weights alone.

    Args:
        init_from: a run's directory, or a file.
    """
    path = paths.expanded(init_from)
    if not path.is_dir():
        return path
    return path / WEIGHTS if not (path / MODEL).is_file() and (path / WEIGHTS).is_file() else path / MODEL


def fault(init_from: str) -> str | None:
    """Return why no weights can be read from `init_from`, or None."""
    path, file = paths.expanded(init_from), located(init_from)
    if path.is_dir() and not file.is_file():
        return (
            f"{path} has no {MODEL} and no {WEIGHTS}: the run has not finished, or was trained with artifacts.model=false. "
            f"Name another run or a file, or train it again: trainrun reproduce {path}"
        )
    if not path.exists() and not init_from.endswith((KERAS, H5)):
        return (
            f"there is no run's directory {init_from}. Expected that, or a {KERAS} or {H5} file; on the command line also a run's id, "
            "last or best."
        )
    if (problem := paths.fault(file, KERAS, f"{KEY}=outputs/runs/…/{MODEL}")) is not None:
        return problem
    if not file.name.endswith((KERAS, H5)):
        return f"expected a run, or a file ending in {KERAS} or {H5}, got {file.name}. Save it with model.save('model.keras')."
    return None
