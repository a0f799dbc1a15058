"""The preprocessing of another run by which a config's data is read: that of `model=file`, `init_from` or `teacher`. Read without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trainrun.data import preprocessor
from trainrun.data.dataset import TargetSpec
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError
from trainrun.model import fitted_record, keras_file, source_file
from trainrun.util import paths


def of(config: Mapping[str, Any]) -> Preprocessor | None:
    """Return the preprocessing by which the data is read, or None; also of a file that is damaged, which others say."""
    try:
        if (config.get("model") or {}).get("name") == "file":
            stored = of_model_file(config["model"].get("path"))
        elif (stored := of_source(config)) is not None:
            return replace(stored, target=TargetSpec("none"))  # the target is the data's own
        return stored or of_source(config, source_file.TEACHER)
    except UserError:
        return None


def of_model_file(path: Any) -> Preprocessor | None:
    """Return the preprocessing in the file of `model=file`; None for a file that has none."""
    if not isinstance(path, str) or source_file.fault(path, source_file.PATH) is not None:
        return None
    try:
        return fitted_record.read(source_file.located(path))
    except keras_file.READ_ERRORS:
        return None  # the model's own loader says so


def of_source(config: Mapping[str, Any], key: str = source_file.KEY) -> Preprocessor | None:
    """Return what the run or file of `init_from`, or of `teacher`, has recorded of its preprocessing, or None."""
    source = config.get(key)
    if not isinstance(source, str) or source_file.fault(source, key) is not None:
        return None
    path = source_file.located(source)
    beside = path.with_name(preprocessor.FILE)
    try:
        if path.name.endswith(source_file.KERAS):
            return fitted_record.read(path)
        return Preprocessor.from_json(paths.content(beside)) if beside.is_file() else None
    except keras_file.READ_ERRORS as error:
        raise UserError(Problem(key, f"{path} has a damaged record of its preprocessing: {error}")) from error
