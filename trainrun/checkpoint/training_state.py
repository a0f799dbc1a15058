"""Everything that a run in progress consists of: out of its objects into a checkpoint, and back, to the same bits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.random.seed_generator import global_seed_generator
from tensorflow.python.eager import context

from trainrun.checkpoint.file import Stored
from trainrun.errors import Problem, UserError
from trainrun.run import joint_training

# What Keras sets in each callback, and sets again.
FOREIGN = ("params", "model", "_model", "validation_data")
ARRAY, TUPLE, PAIRS = "$array", "$tuple", "$pairs"


class Reader:
    """Takes a model's state in one compiled call: on a small model a tenth of what asking each variable takes.

    Args:
        model: compiled, its optimizer built.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._components: list[Any] = []
        self._read: Any = None

    @classmethod
    def of(cls, model: keras.Model) -> Reader:
        """Return the model's reader; it keeps it, for a sweep's next trial."""
        found = getattr(model, "_trainrun_reader", None)
        if found is None:
            object.__setattr__(
                model, "_trainrun_reader", found := cls(model)
            )  # Keras looks for layers in the rest
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the values of all variables, by kind, number and, where replicas differ, number of the replica."""
        of_kind = kinds(self.model)
        if (values := joint_training.values(self.model)) is not None:
            # Writing them into the variables first, to read them there, would take ten times as long.
            values += [v.numpy() for v in of_kind["generators"]]
            return dict(zip(_names(of_kind), values, strict=True))
        every = itertools.chain.from_iterable(of_kind.values())
        kept = dict(zip(_names(of_kind), map(_components, every), strict=True))
        flat = list(itertools.chain.from_iterable(kept.values()))
        if len(flat) != len(self._components) or any(
            a is not b for a, b in zip(flat, self._components, strict=True)
        ):
            self._components = flat
            # Where parts of the model are on several devices, each is asked by itself; so it is where the model is one of
            # many, each of which would be compiled for some ten looks.
            alone = len({c.device for c in flat}) <= 1 and joint_training.place() is None
            self._read = (
                tf.function(lambda: [c.read_value() for c in flat], autograph=False) if alone else None
            )
        values = self._read() if self._read is not None else [c.read_value() for c in flat]
        arrays = iter([v.numpy() for v in values])
        found: dict[str, np.ndarray] = {}
        for name, components in kept.items():
            several = [next(arrays) for _ in components]
            if len(several) == 1 or all(np.array_equal(several[0], s, equal_nan=False) for s in several[1:]):
                found[name] = several[0]
            else:
                found |= {f"{name}#{i}": s for i, s in enumerate(several)}
        return found


def _names(of_kind: Mapping[str, Sequence[Any]]) -> list[str]:
    return [f"{kind}/{i:04d}" for kind, variables in of_kind.items() for i in range(len(variables))]


def capture(
    reader: Reader,
    callbacks: Sequence[keras.callbacks.Callback],
    epoch: int,
    step: int,
    done: bool,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the state as arrays and as what is no array.

    Args:
        reader: of the model that is trained.
        callbacks: of the run, in their order.
        epoch: epochs done.
        step: steps done of the next one; 0 between two epochs.
        done: training ends here: its epochs are over, or a callback has said so.
    """
    model = reader.model
    arrays = reader.arrays()
    history = getattr(model, "history", None)
    about: dict[str, Any] = {
        "epoch": epoch,
        "step": step,
        "done": done,
        "updates": joint_training.updates(model),
        "names": {
            f"{kind}/{i:04d}": v.path
            for kind, variables in kinds(model).items()
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
        {"class": type(c).__name__, "state": _pack(found, arrays, f"callback/{i}")}
        for i, c in enumerate(callbacks)
        if (found := _of_callback(c)) is not None
    ]
    about["random"] = _pack(_random(), arrays, "random")
    return arrays, about


def apply(stored: Stored, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Put a checkpoint's state back into the objects of a run of the same config.

    Args:
        stored: the checkpoint.
        model: compiled, its optimizer and metrics built.
        callbacks: of the run.

    Raises:
        UserError: the model is another one than that of the checkpoint; nothing was changed.
    """
    found = kinds(model)
    if stored.step == 0:
        # Between two epochs metrics begin anew; an `evaluate` in the meantime may have added variables to them.
        found.pop("metrics")
    put(stored, found)
    by_class: dict[str, list[Any]] = {}
    for entry in stored.about["callbacks"]:
        by_class.setdefault(entry["class"], []).append(_unpack(entry["state"], stored.arrays))
    for callback in callbacks:
        states = by_class.get(type(callback).__name__)
        if states and _is_kept(callback):
            _to_callback(callback, states.pop(0))
    history = getattr(model, "history", None)
    if history is not None:
        history.epoch = list(stored.about["history"]["epoch"])
        history.history = {k: list(v) for k, v in stored.about["history"]["history"].items()}
    _set_random(_unpack(stored.about["random"], stored.arrays))


def put(stored: Stored, found: Mapping[str, Sequence[Any]]) -> None:
    """Give variables the values of a checkpoint; none is changed if one does not fit.

    Raises:
        UserError: a variable is missing there or here, or has another shape; the message names all of them.
    """
    names = stored.about["names"]
    assign, problems = [], []
    for kind, variables in found.items():
        there = {n.partition("#")[0] for n in stored.arrays if n.startswith(f"{kind}/")}
        here = {f"{kind}/{i:04d}": variable for i, variable in enumerate(variables)}
        problems += [
            Problem(names.get(n, n), "the checkpoint has it, the model has not.") for n in there - here.keys()
        ]
        for name, variable in here.items():
            values = _values(stored.arrays, name)
            if not values:
                problems.append(Problem(variable.path, "the model has it, the checkpoint has not."))
            elif values[0].shape != tuple(variable.shape):
                problems.append(
                    Problem(
                        variable.path,
                        f"its shape is {tuple(variable.shape)}, and {values[0].shape} in the checkpoint.",
                    )
                )
            else:
                assign.append((variable, values))
    if problems:
        raise UserError(
            [
                Problem("", f"{stored.path} does not fit the model; has its code been changed?"),
                *sorted(problems, key=str),
            ]
        )
    for variable, values in assign:
        _assign(variable, values)


def kinds(model: keras.Model) -> dict[str, list[Any]]:
    """Return a model's variables by what they are for."""
    optimizer = model.optimizer
    generator = global_seed_generator().state
    return {
        "weights": list(model.variables),
        "optimizer": list(optimizer.variables) if optimizer is not None and optimizer.built else [],
        "metrics": list(model.metrics_variables),
        "generators": [generator],
    }


def _components(variable: Any) -> list[Any]:
    """Return a variable as each replica has it; they differ where each counts by itself, as batch norm does."""
    value = getattr(variable, "_value", variable)
    if isinstance(value, tf.distribute.DistributedValues):
        return list(value.values)
    return [value]


def _values(arrays: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    if name in arrays:
        return [arrays[name]]
    found = []
    while f"{name}#{len(found)}" in arrays:
        found.append(arrays[f"{name}#{len(found)}"])
    return found


def _assign(variable: Any, values: Sequence[np.ndarray]) -> None:
    components = _components(variable)
    if len(values) not in (1, len(components)):
        # Resumed on another number of devices: what was counted in parts is summed up, what was averaged is averaged.
        value = getattr(variable, "_value", variable)
        total = np.sum(values, axis=0, dtype=values[0].dtype)
        summed = getattr(variable, "aggregation", None) == "sum" or (
            getattr(value, "aggregation", None) == tf.VariableAggregation.SUM
        )
        whole = total / len(components) if summed else total / len(values)
        values = [whole.astype(values[0].dtype)]
    for component, value in zip(components, itertools.cycle(values), strict=False):
        component.assign(value)


def _is_kept(callback: Any) -> bool:
    # The history has a place of its own.
    return not getattr(callback, "transient", False) and not isinstance(callback, keras.callbacks.History)


def _of_callback(callback: Any) -> Any:
    """Return a callback's state: what its `get_state` says, else its attributes that are plain data."""
    if not _is_kept(callback):
        return None
    if hasattr(callback, "get_state"):
        return callback.get_state()
    state = {k: v for k, v in vars(callback).items() if k not in FOREIGN and _is_plain(v)}
    # Keras decides late in which direction its monitors look, and turns `min_delta` round when it does.
    if getattr(callback, "monitor_op", None) is not None:
        state["monitor_op"] = "set"
    return state


def _to_callback(callback: Any, state: Any) -> None:
    if hasattr(callback, "set_state"):
        callback.set_state(state)
        return
    state = dict(state)
    if state.pop("monitor_op", None) == "set" and callback.monitor_op is None:
        callback._set_monitor_op()
    for name, value in state.items():
        if isinstance(now := getattr(callback, name, None), tf.Variable | keras.Variable):
            now.assign(value)
        else:
            setattr(callback, name, value)


def _is_plain(value: Any) -> bool:
    if value is None or isinstance(
        value, bool | int | float | str | np.generic | tf.Variable | keras.Variable
    ):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype != object
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) is dict and all(_is_plain(k) and _is_plain(v) for k, v in value.items())


def _pack(value: Any, arrays: dict[str, np.ndarray], at: str) -> Any:
    """Return plain data as JSON; arrays go into `arrays` under names that begin with `at`."""
    if isinstance(value, tf.Variable | keras.Variable):
        value = np.array(value.numpy())
    if isinstance(value, np.ndarray | np.generic):
        arrays[at] = np.array(value)
        return {ARRAY: at}
    if isinstance(value, tuple):
        return {TUPLE: [_pack(v, arrays, f"{at}.{i}") for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [_pack(v, arrays, f"{at}.{i}") for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            PAIRS: [
                [_pack(k, arrays, f"{at}.{i}k"), _pack(v, arrays, f"{at}.{i}")]
                for i, (k, v) in enumerate(value.items())
            ]
        }
    return value


def _unpack(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpack(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    (kind, content), *_ = value.items()
    if kind == ARRAY:
        array = arrays[content]
        return array[()] if array.shape == () else array.copy()
    if kind == TUPLE:
        return tuple(_unpack(v, arrays) for v in content)
    return {_unpack(k, arrays): _unpack(v, arrays) for k, v in content}


def _random() -> dict[str, Any]:
    """Return the state of every generator that is the process's own, not the model's."""
    return {
        "python": _twister(random.getstate()),
        "numpy": np.random.get_state(),
        # From it TensorFlow draws the seeds of operations that are given none.
        "tensorflow": _twister(context.context()._rng.getstate())
        if hasattr(context.context(), "_rng")
        else None,
        "generator": _global_generator().numpy() if _global_generator() is not None else None,
    }


def _set_random(state: Mapping[str, Any]) -> None:
    random.setstate(_untwisted(state["python"]))
    np.random.set_state(state["numpy"])
    if state["tensorflow"] is not None and hasattr(context.context(), "_rng"):
        context.context()._rng.setstate(_untwisted(state["tensorflow"]))
    if state["generator"] is not None:
        tf.random.get_global_generator().state.assign(state["generator"])


def _twister(found: tuple) -> tuple:
    """Return the state of one of Python's generators with its 625 words as an array: as JSON they take 1 ms."""
    version, words, gauss = found
    return version, np.array(words, dtype="uint32"), gauss


def _untwisted(kept: tuple) -> tuple:
    version, words, gauss = kept
    return version, tuple(int(w) for w in words), gauss


def _global_generator() -> Any:
    """Return the state of TensorFlow's global generator if anybody has used it; asking by its name would make it."""
    from tensorflow.python.ops import stateful_random_ops

    generator = stateful_random_ops.global_generator
    return None if generator is None else generator.state


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
