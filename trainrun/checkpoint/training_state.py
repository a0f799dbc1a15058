"""The whole state of a training: captured from its objects for a checkpoint, and restored bit for bit."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from trainrun.checkpoint import callback_state, random_state
from trainrun.checkpoint.file import Stored
from trainrun.checkpoint.plain_data import pack, unpack
from trainrun.compat import keras_private
from trainrun.errors import Problem, UserError
from trainrun.model.variables import by_purpose, number, of_replicas

# Attribute of an optimizer: updates of the run before it.
EARLIER = "earlier_updates"
# Reads of a model's variables one by one before a function is compiled that reads them in one call. For the digits MLP compiling takes
# 40 ms, a read 0.8 ms, and 0.4 ms after it.
READS_BEFORE_COMPILING = 64


class StateReader(Protocol):
    """Reads the values of a model's variables."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the values by kind, number and, where replicas differ, number of the replica."""


class Reader:
    """Reads a model's variables, from the read `READS_BEFORE_COMPILING` on in one compiled call.

    Args:
        model: compiled, its optimizer built.
        compiled: False for one of many models, which are read too rarely to compile a function for each.
    """

    def __init__(self, model: keras.Model, compiled: bool = True):
        self.model, self._compiled = model, compiled
        self._reads = 0
        self._components: list[Any] = []
        self._read: Any = None

    def arrays(self) -> dict[str, np.ndarray]:
        """See `StateReader`."""
        of_kind = by_purpose(self.model)
        variables = itertools.chain.from_iterable(of_kind.values())
        kept = dict(zip(entry_names(of_kind), map(of_replicas, variables), strict=True))
        flat = list(itertools.chain.from_iterable(kept.values()))
        same = len(flat) == len(self._components) and all(
            a is b for a, b in zip(flat, self._components, strict=True)
        )
        self._components, self._reads = flat, self._reads + 1 if same else 0
        if not same:
            self._read = None
        # A model on several devices is read variable by variable.
        if self._compiled and self._reads == READS_BEFORE_COMPILING and len({c.device for c in flat}) <= 1:
            self._read = tf.function(lambda: [c.read_value() for c in flat], autograph=False)
        values = self._read() if self._read is not None else [c.read_value() for c in flat]
        arrays = iter([v.numpy() for v in values])
        named: dict[str, np.ndarray] = {}
        for name, components in kept.items():
            several = [next(arrays) for _ in components]
            if len(several) == 1 or all(np.array_equal(several[0], s, equal_nan=False) for s in several[1:]):
                named[name] = several[0]
            else:
                named |= {f"{name}#{i}": s for i, s in enumerate(several)}
        return named


def entry_names(of_kind: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the names of variables by purpose in a checkpoint."""
    return [f"{kind}/{i:04d}" for kind, variables in of_kind.items() for i in range(len(variables))]


def updates(model: keras.Model) -> int:
    """Return the number of updates of a run: those of the model's optimizer, and of the optimizers of earlier phases."""
    return number(model.optimizer.iterations) + earlier_updates(model)


def earlier_updates(model: keras.Model) -> int:
    """Return the number of updates of the phases before the model's optimizer."""
    return getattr(model.optimizer, EARLIER, 0)


def set_earlier_updates(model: keras.Model, count: int) -> None:
    """Set the number of updates of the phases before the model's optimizer."""
    object.__setattr__(model.optimizer, EARLIER, count)


def capture(
    model: keras.Model,
    reader: StateReader,
    callbacks: Sequence[keras.callbacks.Callback],
    epoch: int,
    step: int,
    done: bool,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the state as arrays and metadata.

    Args:
        model: in training.
        reader: of its variables.
        callbacks: of the run, in their order.
        epoch: epochs done.
        step: steps done of the next epoch; 0 between two epochs.
        done: the training ends here: all epochs are done, or a callback has ended it.
    """
    arrays = reader.arrays()
    history = getattr(model, "history", None)
    about: dict[str, Any] = {
        "epoch": epoch,
        "step": step,
        "done": done,
        "updates": updates(model),
        EARLIER: earlier_updates(model),
        "names": {
            f"{kind}/{i:04d}": _path(v)
            for kind, variables in by_purpose(model).items()
            for i, v in enumerate(variables)
        },
        "history": {
            "epoch": list(getattr(history, "epoch", [])),
            "history": {
                k: [v if type(v) is float else _number(v) for v in vs]
                for k, vs in getattr(history, "history", {}).items()
            },
        },
    }
    about["callbacks"] = [
        {"class": type(c).__name__, "state": pack(state, arrays, f"callback/{i}")}
        for i, c in enumerate(callbacks)
        if (state := callback_state.get(c)) is not None
    ]
    about["random"] = pack(random_state.get(), arrays, "random")
    return arrays, about


def apply(
    stored: Stored,
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
    new_phase: bool = False,
    lengths: Mapping[str, int] | None = None,
) -> None:
    """Restore a checkpoint's state into the objects of a run of the same config.

    Args:
        stored: the checkpoint.
        model: compiled, its optimizer and metrics built.
        callbacks: of the run.
        new_phase: the optimizer begins anew.
        lengths: the run's, `Plan.lengths`; default: those of the checkpoint.

    Raises:
        UserError: the model does not fit the checkpoint; nothing was changed.
    """
    of_kind = by_purpose(model)
    if stored.step == 0:
        # Metrics are reset between two epochs; an `evaluate` in between may have added variables to them.
        of_kind.pop("metrics")
    if new_phase:
        of_kind.pop("optimizer")
    put(stored, of_kind)
    set_earlier_updates(model, stored.about["updates"] if new_phase else stored.about.get(EARLIER, 0))
    by_class: dict[str, list[Any]] = {}
    for entry in stored.about["callbacks"]:
        by_class.setdefault(entry["class"], []).append(unpack(entry["state"], stored.arrays))
    was = stored.about.get("plan", {})
    changed = {name: (was.get(name), now) for name, now in (lengths or {}).items()}
    for callback in callbacks:
        states = by_class.get(type(callback).__name__)
        if states and callback_state.is_kept(callback):
            callback_state.set(callback, states.pop(0), changed)
    history = getattr(model, "history", None)
    if history is not None:
        history.epoch = list(stored.about["history"]["epoch"])
        history.history = {k: list(v) for k, v in stored.about["history"]["history"].items()}
    random_state.set(unpack(stored.about["random"], stored.arrays))


def put(stored: Stored, of_kind: Mapping[str, Sequence[Any]]) -> None:
    """Set variables to the values of a checkpoint; none is changed if one does not fit.

    Raises:
        UserError: a variable is missing in checkpoint or model, or has another shape; the message names all of them.
    """
    names = stored.about["names"]
    assignments, problems = [], []
    for kind, variables in of_kind.items():
        saved = {n.partition("#")[0] for n in stored.arrays if n.startswith(f"{kind}/")}
        if kind == "others" and not saved:  # checkpoints had none before
            continue
        here = {f"{kind}/{i:04d}": variable for i, variable in enumerate(variables)}
        problems += [
            Problem(names.get(n, n), "it is in the checkpoint, but not in the model.")
            for n in saved - here.keys()
        ]
        for name, variable in here.items():
            saved_values = values(stored.arrays, name)
            if not saved_values:
                problems.append(Problem(_path(variable), "it is in the model, but not in the checkpoint."))
            elif saved_values[0].shape != tuple(variable.shape):
                problems.append(
                    Problem(
                        _path(variable),
                        f"its shape is {tuple(variable.shape)}, but {saved_values[0].shape} in the checkpoint.",
                    )
                )
            else:
                assignments.append((variable, saved_values))
    if problems:
        raise UserError(
            [
                Problem("", f"{stored.path} does not fit the model; has its code been changed?"),
                *sorted(problems, key=str),
            ]
        )
    for variable, saved_values in assignments:
        assign(variable, saved_values)


def _path(variable: Any) -> str:
    """Return the name of a variable for messages; a `tf.Variable` has no path."""
    return getattr(variable, "path", variable.name)


def values(arrays: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    """Return the value of a variable, or one of each replica; empty if there is none of that name."""
    if name in arrays:
        return [arrays[name]]
    parts = []
    while f"{name}#{len(parts)}" in arrays:
        parts.append(arrays[f"{name}#{len(parts)}"])
    return parts


def assign(variable: Any, values: Sequence[np.ndarray]) -> None:
    """Set a variable to its value in a checkpoint: one, or one of each replica."""
    components = of_replicas(variable)
    if len(values) not in (1, len(components)):
        # Resumed on another number of devices: counts are summed over the replicas, averages are averaged.
        value = keras_private.backing_variable(variable)
        total = np.sum(values, axis=0, dtype=values[0].dtype)
        summed = getattr(variable, "aggregation", None) == "sum" or (
            getattr(value, "aggregation", None) == tf.VariableAggregation.SUM
        )
        total_or_mean = total / len(components) if summed else total / len(values)
        values = [total_or_mean.astype(values[0].dtype)]
    for component, value in zip(components, itertools.cycle(values), strict=False):
        component.assign(value)


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
