"""The record in a .keras file of what was fitted on the training part of the data; read without Keras."""

from __future__ import annotations

import zipfile
from pathlib import Path

from trainrun.data import preprocessor
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError
from trainrun.model import keras_file


def read(where: Path) -> Preprocessor | None:
    """Return the record of what the data of a saved model went through; None: its file has none.

    Raises:
        keras_file.READ_ERRORS: the file is not a .keras file, or the record is damaged.
    """
    with zipfile.ZipFile(where) as archive:
        if preprocessor.FILE not in archive.namelist():
            return None
        if archive.getinfo(preprocessor.FILE).file_size > keras_file.MAX_CONFIG_BYTES:
            raise ValueError(f"its {preprocessor.FILE} has more than {keras_file.MAX_CONFIG_BYTES:,} bytes")
        return Preprocessor.from_json(archive.read(preprocessor.FILE))


def require(path: Path) -> Preprocessor:
    """Return the record in a .keras file.

    Raises:
        UserError: there is no such file, or it has no record: an older trainrun, or Keras alone, has saved it.
    """
    if not path.is_file():
        raise UserError(
            Problem(
                "model", f"there is no {path}. The run has saved none (artifacts.model), or has not ended."
            )
        )
    try:
        fitted = read(path)
    except keras_file.READ_ERRORS as error:
        raise UserError(Problem("model", f"{path} is damaged: {error}")) from error
    if fitted is None:
        raise UserError(
            Problem(
                "model",
                f"{path} has no record of its preprocessing: it was saved by Keras alone or by an older trainrun (train the "
                "run again: trainrun reproduce), or is the part of a model that its plug-in names by saves=, which takes inputs of its own: "
                "keras.saving.load_model.",
            )
        )
    return fitted
