"""The compiled passes of several trials of one shape: their variables stacked along a first axis, one graph for all."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun import company, state
from trainrun.dataset import Split
from trainrun.step.default import default
from trainrun.trainer._feed import whole
from trainrun.vectorized import converters, functional, lifted

# Relative to how far a step moves a variable: the sum runs in another order, the rest is the same arithmetic.
CLOSE = 1e-3
# Of the largest gradient, and of the largest move: what is smaller is rounding.
NOISE = 1e-5
KINDS = ("weights", "optimizer", "metrics")


class Unfit(Exception):
    """These trials cannot be trained in one graph; the text says why."""


@dataclass
class Part:
    """One trial's part in a pass.

    Args:
        model: its own; its variables hold its state, or lag behind it (`Behind`).
        split: what it goes over.
        order: indices of examples, `[n]` int64: as many as those of the others.
    """

    model: keras.Model
    split: Split
    order: np.ndarray


class Rows:
    """The examples of several splits, one after another; those of equal splits are held once."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._known: dict[int, tuple[Split, int]] = {}
        self._length = 0
        self._held: Any = None

    def first(self, split: Split) -> int:
        """Return the number of a split's first row; it is taken in if it is new."""
        if id(split) in self._known:
            return self._known[id(split)][1]
        key = _digest(split)
        if key not in self._first:
            self._first[key], self._length = self._length, self._length + len(split)
            arrays = tf.nest.map_structure(
                lambda a: None if a is None else np.asarray(whole(a)), (split.x, split.y, split.weight)
            )
            if self._held is None:
                self._held = tf.nest.map_structure(lambda a: None if a is None else _held(a), arrays)
            else:
                for variable, new in zip(tf.nest.flatten(self._held), tf.nest.flatten(arrays), strict=True):
                    if variable is not None:
                        variable.assign(tf.concat([variable, new], 0))
        self._known[id(split)] = split, self._first[key]
        return self._first[key]

    def gathered(self, index: tf.Tensor) -> tuple:
        """Return the examples `(x, y, weight)` at the rows `index`, of any shape."""
        return tf.nest.map_structure(lambda a: None if a is None else tf.gather(a, index), self._held)


@dataclass
class Behind:
    """What a model's variables lag behind: calling it writes them.

    Args:
        program: that has trained the model.
        model: it.
        arrays: values of all variables, `[size, …]` each.
        slot: the model's place in them.
    """

    program: Program
    model: keras.Model
    arrays: list[np.ndarray]
    slot: int

    def __call__(self) -> None:
        object.__setattr__(self.model, company.BEHIND, None)
        for i, variable in enumerate(self.program._of(self.model)):
            if i not in self.program._light:
                variable._value.assign(self.arrays[i][self.slot])


class Program:
    """Trains and measures `size` trials at once; it is compiled for the first of them, and holds for all.

    Args:
        parts: one for each of the first trials.
        batch_size: examples a step.
        size: trials at once; None: as many as there are parts.
        paths: numbers in which trials differ, besides those in which these do.

    Raises:
        Unfit: they are not of one shape, or what they do cannot be put into one graph.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        batch_size: int,
        size: int | None = None,
        paths: Sequence[lifted.Path] = (),
    ):
        self.model, self.batch_size, self.size = parts[0].model, batch_size, size or len(parts)
        self.variables = variables(parts[0].model)
        self.rows: dict[tuple, Rows] = {}
        differ = self._numbers([p.model for p in parts])
        self.paths = list(dict.fromkeys([*paths, *differ]))
        self._twins = {p: [q for q in differ if q != p and _twins(p, q, differ)] for p in differ}
        self._dense = False
        self._variables: weakref.WeakKeyDictionary[keras.Model, list[Any]] = weakref.WeakKeyDictionary()
        kinds = state.kinds(self.model)
        begin = len(kinds["weights"])
        # Counters and rates: callbacks change them, and everybody reads them.
        self._light = {begin + i for i, v in enumerate(kinds["optimizer"]) if tuple(v.shape) == ()}
        self._passes: dict[tuple, Any] = {}
        self._takes: weakref.WeakKeyDictionary[keras.Model, bool] = weakref.WeakKeyDictionary()

    def takes(self, model: keras.Model) -> bool:
        """Tell whether another trial is of the same shape, and differs in nothing new."""
        if model not in self._takes:
            found = differences(self.model, model)
            self._takes[model] = found is not None and set(found) <= set(self.paths)
        return self._takes[model]

    def train(self, parts: Sequence[Part]) -> list[dict[str, float]]:
        """Train each trial on its examples in its order; return its metrics.

        The variables of its model are written when somebody wants them: `company.catch_up`.

        Args:
            parts: at most `size`.
        """
        after, logs = self._after("train", functional.training, parts)
        for k, part in enumerate(parts):
            each = self._of(part.model)
            for i in self._light:
                each[i]._value.assign(after[i][k])
            # Keras looks for layers in whatever else is set.
            object.__setattr__(part.model, company.BEHIND, Behind(self, part.model, after, k))
        return logs

    def measure(self, parts: Sequence[Part]) -> list[dict[str, float]]:
        """Measure each trial on its examples; return its metrics."""
        return self._after("measure", functional.measuring, parts)[1]

    def probe(self, parts: Sequence[Part]) -> None:
        """Hold a step of the graph to a step that each of two trials takes by itself.

        Raises:
            Unfit: they differ.
        """
        try:
            self._probe(parts)
        except Unfit:
            if not any(isinstance(layer, keras.layers.Embedding) for layer in self.model._flatten_layers()):
                raise
            # Their gradients are rows. What Keras does with rows may have no form for many trials, or not matter.
            self._dense, self._passes = True, {}
            self._probe(parts)

    def _probe(self, parts: Sequence[Part]) -> None:
        few = [Part(p.model, p.split, p.order[: self.batch_size]) for p in parts]
        before = [[v.numpy() for v in variables(p.model)] for p in few]
        try:
            after, _ = self._after("train", functional.training, few)
        except Unfit:
            raise
        except Exception as error:
            raise Unfit(f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}") from error
        for k in {0, len(few) - 1}:
            part = few[k]
            noise = _noise(part)
            _put(part.model, before[k])
            _alone(part)
            _hold(part.model, [a[k] for a in after], before[k], noise)
            _put(part.model, before[k])

    def _numbers(self, models: Sequence[keras.Model]) -> Mapping[lifted.Path, np.ndarray]:
        try:
            return lifted.differing(models)
        except ValueError as error:
            raise Unfit(str(error)) from error

    def _after(
        self, name: str, step: Callable[..., Any], parts: Sequence[Part]
    ) -> tuple[list, list[dict[str, float]]]:
        """Return the values of all variables after a pass, `[size, …]` each, and the metrics of each part."""
        filled = [*parts, *[parts[0]] * (self.size - len(parts))]
        rows = self._rows(parts[0].split)
        index = np.stack([p.order + rows.first(p.split) for p in filled])
        numbers = [np.array(n, "float64") for n in self._values([p.model for p in filled])]
        key = (name, *_kind(parts[0].split))
        if key not in self._passes:
            self._passes[key] = self._compile(step, rows)
        after, logs = self._passes[key](tf.constant(index), self._before([p.model for p in filled]), numbers)
        found = {n: v.numpy() for n, v in logs.items()}
        return [a.numpy() for a in after], [
            {n: float(v[k]) for n, v in found.items()} for k in range(len(parts))
        ]

    def _before(self, models: Sequence[keras.Model]) -> list[np.ndarray]:
        """Return the values of all variables before a pass, `[size, …]` each."""
        lags = [getattr(m, company.BEHIND, None) for m in models]
        for lag in lags:
            if lag is not None and lag.program is not self:
                lag()
        lags = [lag if lag is not None and lag.program is self else None for lag in lags]
        slots = [lag.slot for lag in lags if lag is not None]
        first = lags[0]
        kept = first is not None and all(lag is not None and lag.arrays is first.arrays for lag in lags)
        values = []
        for i in range(len(self.variables)):
            if i in self._light or not kept:
                values.append(
                    np.stack([
                        self._of(m)[i]._value.numpy() if lag is None or i in self._light else lag.arrays[i][lag.slot]
                        for m, lag in zip(models, lags, strict=True)
                    ])
                )  # fmt: skip
            elif slots == [*range(self.size)]:
                values.append(first.arrays[i])
            else:
                values.append(first.arrays[i][slots])
        return values

    def _of(self, model: keras.Model) -> list[Any]:
        if model not in self._variables:
            self._variables[model] = variables(model)
        return self._variables[model]

    def _all_read(self, read: set[lifted.Path]) -> None:
        """See that each number was computed with: what is read as a constant has the value of one trial for all."""
        for path in self.paths:
            if path not in read and path[0] != "metric" and not read & {*self._twins.get(path, ())}:
                raise Unfit(f"{lifted._said(path)} is read as a constant")

    def _values(self, models: Sequence[keras.Model]) -> list[list[float]]:
        return [[float(lifted._get(*lifted._owner(m, path))) for m in models] for path in self.paths]

    def _rows(self, split: Split) -> Rows:
        return self.rows.setdefault(_kind(split), Rows())

    def _compile(self, step: Callable[..., Any], rows: Rows) -> Any:
        model, variables, size = self.model, self.variables, self.size
        dense = {"dense": self._dense} if step is functional.training else {}
        examples = dict(zip(self.paths, [v[0] for v in self._values([model])], strict=True))

        def one(given: tuple) -> list[tf.Tensor]:
            values, numbers, data = given
            x, y, weight = data
            with lifted.inside(model, dict(zip(self.paths, numbers, strict=True)), examples) as put:
                found = step(model, variables, list(values), x, y, weight, **dense)
            if step is functional.training:
                self._all_read({path for path, number in put if number.read})
            return found

        def run(index: tf.Tensor, values: list[tf.Tensor], numbers: list[tf.Tensor]) -> tuple:
            n = tf.shape(index)[1]
            reset = tf.vectorized_map(
                lambda v: functional.reset(model, variables, list(v)),
                tuple(values),
                fallback_to_while_loop=False,
            )

            def body(at: tf.Tensor, *now: tf.Tensor) -> tuple:
                data = rows.gathered(index[:, at : at + self.batch_size])
                data = tuple(() if d is None else d for d in data)
                with converters.known():
                    new = tf.vectorized_map(
                        lambda g: one((g[0], g[1], tuple(None if isinstance(d, tuple) else d for d in g[2]))),
                        (tuple(now), tuple(numbers), data),
                        fallback_to_while_loop=False,
                    )
                for tensor, old in zip(new, now, strict=True):
                    tensor.set_shape(old.shape)
                return (at + self.batch_size, *new)

            after = tf.while_loop(
                lambda at, *_: at < n, body, (tf.constant(0), *reset), parallel_iterations=1
            )[1:]
            logs = tf.vectorized_map(
                lambda v: functional.results(model, variables, list(v)),
                tuple(after),
                fallback_to_while_loop=False,
            )
            return list(after), logs

        signature = (
            tf.TensorSpec([size, None], tf.int64),
            [tf.TensorSpec([size, *v.shape], v.dtype) for v in variables],
            [tf.TensorSpec([size], tf.float64) for _ in self.paths],
        )
        return tf.function(run, input_signature=signature, autograph=False)


def _twins(one: lifted.Path, other: lifted.Path, differ: Mapping[lifted.Path, np.ndarray]) -> bool:
    """Tell whether two numbers of one part are the same in every trial, as a layer's and its regularizer's are."""
    return one[:2] == other[:2] and one[-1] == other[-1] and np.array_equal(differ[one], differ[other])


def differences(one: keras.Model, other: keras.Model) -> Mapping[lifted.Path, np.ndarray] | None:
    """Return the numbers in which two models of one shape differ; None: they differ in more than that."""
    if _shapes(variables(one)) != _shapes(variables(other)):
        return None
    try:
        return lifted.differing([one, other])
    except ValueError:
        return None


def variables(model: keras.Model) -> list[Any]:
    """Return all that a step reads or writes, in an order that is the same for all trials of a shape."""
    kinds = state.kinds(model)
    return [v for kind in KINDS for v in kinds[kind]]


def _batch(part: Part) -> list[Any]:
    few = part.split.part(part.order)
    return tf.nest.map_structure(
        lambda a: None if a is None else tf.constant(np.asarray(whole(a))), [few.x, few.y, few.weight]
    )


def _alone(part: Part) -> None:
    """Take a step as the trial takes it by itself."""
    x, y, weight = _batch(part)
    part.model.reset_metrics()
    loss, y_pred = default(part.model, x, y, weight, 1.0)
    functional.measure(part.model, x, y, weight, y_pred, loss)


def _noise(part: Part) -> set[int]:
    """Return the weights whose gradient is 0 but for rounding, as that of the bias of an attention's keys: by their id."""
    x, y, weight = _batch(part)
    weights = part.model.trainable_weights
    with tf.GradientTape() as tape:
        loss = part.model.compute_loss(x, y, part.model(x, training=True), weight, training=True)
    gradients = [None if g is None else tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
    sizes = [0.0 if g is None else float(tf.reduce_max(tf.abs(g))) for g in gradients]
    return {id(w) for w, s in zip(weights, sizes, strict=True) if s <= NOISE * max(sizes)}


def _put(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables(model), values, strict=True):
        variable.assign(value)


def _hold(
    model: keras.Model, mine: Sequence[np.ndarray], before: Sequence[np.ndarray], noise: set[int]
) -> None:
    """Hold what the graph has made of a trial to what the trial has come to by itself.

    Raises:
        Unfit: it is something else.
    """
    at = iter(zip(mine, before, strict=True))
    kinds = state.kinds(model)
    for of_kind in (kinds[k] for k in KINDS):
        each = [(v, *next(at)) for v in of_kind]
        moved = [
            float(np.abs(v.numpy() - old).max(initial=0.0)) if _is_real(old) else 0.0 for v, _, old in each
        ]
        for (variable, value, old), far in zip(each, moved, strict=True):
            alone = variable.numpy()
            if not _is_real(old):
                if not np.array_equal(alone, value):
                    raise Unfit(f"{variable.path} is another after one step")
            elif id(variable) not in noise:
                floor = max(far, max(moved) * NOISE, float(np.abs(alone).max(initial=0.0)) * 1e-6, 1e-30)
                off = float(np.sqrt(np.mean((alone.astype("float64") - value) ** 2))) if alone.size else 0.0
                if not off <= CLOSE * floor:
                    raise Unfit(
                        f"{variable.path} is another after one step (by {off / floor:.2g} of the step)"
                    )


def _is_real(array: np.ndarray) -> bool:
    return np.issubdtype(array.dtype, np.floating)


def _held(array: np.ndarray) -> tf.Variable:
    return tf.Variable(array, trainable=False, shape=[None, *array.shape[1:]])


def _kind(split: Split) -> tuple:
    arrays = tf.nest.flatten((split.x, split.y, split.weight))
    return tuple(None if a is None else (tuple(a.shape[1:]), str(a.dtype)) for a in arrays)


def _digest(split: Split) -> str:
    found = hashlib.blake2b()
    for array in tf.nest.flatten((split.x, split.y, split.weight)):
        found.update(b"-" if array is None else np.ascontiguousarray(whole(array)).tobytes())
    return found.hexdigest()


def _shapes(variables: Sequence[Any]) -> list[tuple]:
    return [(tuple(v.shape), str(v.dtype)) for v in variables]
