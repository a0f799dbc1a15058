"""A run that begins from the weights of another: `init_from`, with that run's preprocessing and on wish its optimizer's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from trainrun.checkpoint import file as checkpoint_file
from trainrun.checkpoint import training_state
from trainrun.config import stored_record
from trainrun.data.dataset import Dataset, TargetSpec
from trainrun.errors import Problem, UserError, listed
from trainrun.model import (
    initial_weights,
    source_file,
    stored_weights,
    variable_paths,
)
from trainrun.model.initial_weights import Row
from trainrun.ui import console
from trainrun.util import paths, patterns

# Weights of a model up to which the table names those that were simply loaded.
LISTED = 40


@dataclass(frozen=True)
class Initial:
    """Where the initial weights of a run come from, and what became of each.

    Args:
        path: of the file.
        rows: one for each weight of the model and of the file.
        optimizer: variables of the optimizer that were set, of how many; None: none were asked for.
    """

    path: Path
    rows: list[Row]
    optimizer: tuple[int, int] | None = None

    def show(self) -> None:
        """Print a table of all weights; of a large model those that were simply loaded are counted."""
        console.note(f"initial weights of {self.path}: {initial_weights.counted(self.rows)}")
        shown = [r for r in self.rows if r.outcome != "loaded" or len(self.rows) <= LISTED]
        if shown:
            lines = [[r.path, variable_paths.dimensions(r.shape), r.outcome, r.reason] for r in shown]
            console.table("", ["weight", "shape", "", ""], lines)
        if self.optimizer is not None:
            console.note("the optimizer goes on with {} of its {} variables".format(*self.optimizer))

    def record(self) -> dict[str, Any]:
        """Return the fields of the journal's event."""
        return {
            "path": str(self.path),
            "sha256": paths.sha256(self.path),
            "weights": [asdict(row) for row in self.rows],
            "optimizer": self.optimizer,
        }


def weights(config: Mapping[str, Any], model: keras.Model, data: Dataset) -> Initial | None:
    """Set a model's weights to those of `init_from`, and return what became of each; None: there is no `init_from`.

    Args:
        config: resolved and checked.
        model: built.
        data: as loaded.

    Raises:
        UserError: the file is damaged, or its weights do not fit the model.
    """
    if config.get(source_file.KEY) is None:
        return None
    path, fitted = source_file.located(config[source_file.KEY]), stored_record.of_source(config)
    other = {} if fitted is None else _other_targets(fitted.target, data.target)
    stored = stored_weights.read(path, source_file.KEY)
    rows = initial_weights.apply(model, stored, patterns.listed(config.get(source_file.SKIP)), other)
    return Initial(path, rows)


def optimizer(config: Mapping[str, Any], model: keras.Model) -> tuple[int, int] | None:
    """Set the state of a compiled model's optimizer to that of the run of `init_from`; its learning rate stays.

    Returns:
        How many of its variables were set, and how many it has; None: `init_optimizer` is false.

    Raises:
        UserError: the run has no checkpoint, or its optimizer's state is of another kind.
    """
    if not config.get(source_file.OPTIMIZER):
        return None
    run_dir, own = paths.expanded(config[source_file.KEY]), model.optimizer
    checkpoint, _ = checkpoint_file.newest(run_dir)
    if checkpoint is None:
        raise UserError(
            Problem(source_file.OPTIMIZER, f"{run_dir} has no checkpoint that can be read. Leave it out.")
        )
    own.build(model.trainable_variables)
    names = checkpoint.about["names"]
    stored = {_slot(names[name]): name for name in names if name.startswith("optimizer/")}
    settable = [v for v in own.variables if not v.path.endswith("/learning_rate")]
    taken = 0
    for variable in settable:
        values = training_state.values(checkpoint.arrays, stored.get(_slot(variable.path), ""))
        if values and values[0].shape == tuple(variable.shape):
            training_state.assign(variable, values)
            taken += 1
    if taken <= 1:  # the number of updates, which every optimizer has
        raise UserError(
            Problem(
                source_file.OPTIMIZER,
                f"the optimizer of {run_dir} has no state that {type(own).__name__} could go on with. Take its optimizer, or leave it out.",
            )
        )
    return taken, len(settable)


def _slot(path: str) -> str:
    """Return the path of an optimizer's variable without the optimizer's own name."""
    return path.partition("/")[2] or path


def _other_targets(stored: TargetSpec, own: TargetSpec) -> dict[str, str]:
    """Return the outputs, an empty name for the only one, of which a file's model predicts something else, with what that is."""
    by_name = stored.named or {"": stored}
    pairs = {name: (by_name.get(name, stored), of_one) for name, of_one in (own.named or {"": own}).items()}
    return {name: _predicts(one) for name, (one, other) in pairs.items() if not _same(one, other)}


def _same(one: TargetSpec, other: TargetSpec) -> bool:
    return (one.kind, list(one.classes), one.outputs) == (other.kind, list(other.classes), other.outputs)


def _predicts(target: TargetSpec) -> str:
    if target.named:
        return f"the file's outputs are {listed(list(target.named))}"
    names = list(target.classes)
    what = f"the classes {listed(names)}" if names else f"{target.outputs} real numbers"
    return f"the file's output layer predicts {what}"
