"""Declarations of Keras' callbacks, and type hints of their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from trainrun.util.arguments import Index, Mode, NotNegative, Range, RunPath
from trainrun.util.declarations import CallbackDeclaration

DECLARATIONS: Mapping[str, CallbackDeclaration] = {
    "CSVLogger": CallbackDeclaration(reads_weights=False, changes_only_variables=True),
    "EarlyStopping": CallbackDeclaration(changes_only_variables=True),
    "History": CallbackDeclaration(reads_weights=False, changes_only_variables=True),
    "ModelCheckpoint": CallbackDeclaration(changes_only_variables=True),
    "ReduceLROnPlateau": CallbackDeclaration(
        reads_weights=False, changes_only_variables=True, sets_learning_rate=True
    ),
    "SwapEMAWeights": CallbackDeclaration(needs_averaged_weights=True),
    "TensorBoard": CallbackDeclaration(packages=("tensorboard",)),
    "TerminateOnNaN": CallbackDeclaration(reads_weights=False, changes_only_variables=True),
}

# Class -> argument -> type hint.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "BackupAndRestore": {"backup_dir": RunPath, "save_freq": int | Literal["epoch"]},
    "CSVLogger": {"filename": RunPath},
    "EarlyStopping": {
        "min_delta": NotNegative,
        "patience": Index,
        "mode": Mode,
        "baseline": float | None,
        "start_from_epoch": Index,
    },
    "ModelCheckpoint": {
        "filepath": RunPath,
        "mode": Mode,
        "save_freq": int | Literal["epoch"],
        "initial_value_threshold": float | None,
    },
    "ReduceLROnPlateau": {
        "factor": Annotated[float, Range(above=0, below=1)],
        "patience": Index,
        "mode": Mode,
        "min_delta": NotNegative,
        "cooldown": Index,
        "min_lr": NotNegative,
    },
    "TensorBoard": {
        "log_dir": RunPath,
        "histogram_freq": Index,
        "update_freq": int | Literal["epoch", "batch"],
        "profile_batch": int | list[int] | str,
        "embeddings_freq": Index,
    },
}
