"""What Keras' callbacks read and change."""

from __future__ import annotations

from collections.abc import Mapping

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
