"""The file that `init_from`, `teacher` or `model.path` means: of a run's directory, its model or its weights. Read without Keras."""

from __future__ import annotations

from pathlib import Path

from trainrun.util import paths

KEY, SKIP, OPTIMIZER = "init_from", "init_skip", "init_optimizer"
TEACHER, ALPHA, TEMPERATURE = "teacher", "teacher_alpha", "teacher_temperature"
PATH = "model.path"  # of model=file
# Keys that need a whole model.
WHOLE = (TEACHER, PATH)
MODEL, WEIGHTS = "model.keras", "model.weights.h5"
KERAS, H5 = ".keras", ".weights.h5"


def located(source: str) -> Path:
    """Return the file with the weights; of a run's directory the model, else the weights alone.

    Args:
        source: a run's directory, or a file.
    """
    path = paths.expanded(source)
    if not path.is_dir():
        return path
    return path / WEIGHTS if not (path / MODEL).is_file() and (path / WEIGHTS).is_file() else path / MODEL


def fault(source: str | None, key: str = KEY) -> str | None:
    """Return why no weights can be read from a run or file, or None.

    Args:
        source: a run's directory, or a file.
        key: ``init_from``, or one of `WHOLE`.
    """
    if source is None:
        return f"expected a run or a file, got null. For example {key}=outputs/runs/…/{MODEL}."
    path, file = paths.expanded(source), located(source)
    endings = (KERAS,) if key in WHOLE else (KERAS, H5)
    if path.is_dir() and not (file.is_file() and file.name.endswith(endings)):
        if not (path / "config.yaml").is_file():
            return f"{path} is a folder, and no run's. Expected a run, or a {' or '.join(endings)} file."
        lacks = MODEL if key in WHOLE else f"{MODEL} and no {WEIGHTS}"
        return (
            f"{path} has no {lacks}: the run has not finished, or was trained with another artifacts.model. "
            f"Name another run or a file, or train it again: trainrun reproduce {path}"
        )
    if not path.exists() and not source.endswith(endings):
        return (
            f"there is no run's directory {source}. Expected that, or a {' or '.join(endings)} file; on the command line"
            f"{', beside model=file,' if key == PATH else ''} also a run's id, last or best."
        )
    typed = file if path.is_dir() else source  # an address is none any more as a path
    if (problem := paths.fault(typed, KERAS, f"{key}=outputs/runs/…/{MODEL}")) is not None:
        return problem
    if not file.name.endswith(endings):
        return f"expected a run, or a file ending in {' or '.join(endings)}, got {file.name}. Save it with model.save('model.keras')."
    return None
