"""The compiled passes of several trials of one shape: one graph, with the variables stacked along a first axis."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_model_private, tensorflow_pfor_private
from trainrun.data.dataset import Split
from trainrun.vectorized import equivalence, functional, lifted_hyperparameters
from trainrun.vectorized.rows import Part, Rows, kind
from trainrun.vectorized.shape import Unfit, differences, variables


class Program:
    """Trains and evaluates `size` trials at once; it is compiled by the model of the first one.

    Args:
        parts: of the first trials.
        batch_size: examples per step.
        size: number of trials at once; None: the number of parts.
        paths: further numbers in which trials may differ.

    Raises:
        Unfit: the trials are not of one shape, or have no common graph.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        batch_size: int,
        size: int | None = None,
        paths: Sequence[lifted_hyperparameters.Path] = (),
    ):
        self.model, self.batch_size, self.size = parts[0].model, batch_size, size or len(parts)
        self.variables = variables(parts[0].model)
        self.rows: dict[tuple, Rows] = {}
        differ = self._numbers([p.model for p in parts])
        self.paths = list(dict.fromkeys([*paths, *differ]))
        self._differ = differ
        self.dense = False
        self._owners: weakref.WeakKeyDictionary[keras.Model, list[Any]] = weakref.WeakKeyDictionary()
        self._passes: dict[tuple, Any] = {}
        self._takes: weakref.WeakKeyDictionary[keras.Model, bool] = weakref.WeakKeyDictionary()

    def takes(self, model: keras.Model) -> bool:
        """Return whether a trial is of the same shape and differs only in the numbers of `paths`."""
        if model not in self._takes:
            numbers = differences(self.model, model)
            self._takes[model] = numbers is not None and set(numbers) <= set(self.paths)
        return self._takes[model]

    def train(self, parts: Sequence[Part]) -> list[dict[str, float]]:
        """Train each trial on its examples in its order; return its metrics.

        The new values of its variables are pending (`Part.pending`).

        Args:
            parts: at most `size`.
        """
        after, logs = self._after("train", functional.training, parts)
        for k, part in enumerate(parts):
            part.pending.set(self, after, k)
        return logs

    def measure(self, parts: Sequence[Part]) -> list[dict[str, float]]:
        """Evaluate each trial on its examples; return its metrics."""
        return self._after("measure", functional.measuring, parts)[1]

    def probe(self, parts: Sequence[Part]) -> None:
        """Compare a step of the graph with separate steps of some of the trials.

        Raises:
            Unfit: the results differ.
        """
        try:
            self._probe(parts)
        except Unfit:
            if not any(
                isinstance(layer, keras.layers.Embedding)
                for layer in keras_model_private.all_layers(self.model)
            ):
                raise
            # Their gradients are sparse, for which some operations have no vectorized form: try dense ones.
            self.dense, self._passes = True, {}
            self._probe(parts)

    def _probe(self, parts: Sequence[Part]) -> None:
        probed = [Part(p.pending, p.split, p.order[: self.batch_size]) for p in parts]
        before = [[v.numpy() for v in variables(p.model)] for p in probed]
        try:
            after, _ = self._after("train", functional.training, probed)
        except Unfit:
            raise
        except Exception as error:
            raise Unfit(f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}") from error
        for k in self._probe_set(len(probed)):
            equivalence.check(probed[k], before[k], [a[k] for a in after])

    def _probe_set(self, size: int) -> set[int]:
        """Return indices of trials among which each number has different values, so that a number used as a constant shows."""
        chosen = {0, size - 1}
        for values in self._differ.values():
            if all(values[k] == values[0] for k in chosen):
                chosen |= {next((k for k in range(size) if values[k] != values[0]), 0)}
        return chosen

    def _numbers(self, models: Sequence[keras.Model]) -> Mapping[lifted_hyperparameters.Path, np.ndarray]:
        try:
            return lifted_hyperparameters.differing(models)
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
        key = (name, *kind(parts[0].split))
        if key not in self._passes:
            self._passes[key] = self._compile(step, rows)
        after, logs = self._passes[key](tf.constant(index), self._before(filled), numbers)
        metrics = {n: v.numpy() for n, v in logs.items()}
        return [a.numpy() for a in after], [
            {n: float(v[k]) for n, v in metrics.items()} for k in range(len(parts))
        ]

    def _before(self, parts: Sequence[Part]) -> list[np.ndarray]:
        """Return the values of all variables before a pass, `[size, …]` each."""
        for part in parts:
            if not part.pending.is_of(self):
                part.pending.write()  # values of another program
        slots = [p.pending.slot for p in parts]
        first = parts[0].pending.arrays
        # The arrays of the pass before can be used if all of these trials took part in it.
        kept = first is not None and all(p.pending.arrays is first for p in parts)
        written = {i for p in parts for i in p.pending.written}
        values = []
        for i in range(len(self.variables)):
            if i in written or not kept:
                values.append(np.stack([p.pending.value(i) for p in parts]))
            elif slots == [*range(self.size)]:
                values.append(first[i])
            else:
                values.append(first[i][slots])
        return values

    def _all_read(self, read: set[lifted_hyperparameters.Path]) -> None:
        """Check that the graph uses each number as a tensor; as a constant it would have the same value for all trials."""
        for path in self.paths:
            if path not in read and path[0] != "metric" and not self._has_twin(path, read):
                raise Unfit(f"{lifted_hyperparameters.described(path)} is used as a constant")

    def _has_twin(self, path: lifted_hyperparameters.Path, read: set[lifted_hyperparameters.Path]) -> bool:
        """Return whether a number that is used has the same values, as the rates of an attention layer and of its dropout layer.

        Two numbers may be equal by chance; then the comparison with separate steps shows the difference.
        """
        values = self._differ.get(path)
        return values is not None and any(
            np.array_equal(values, other) for p, other in self._differ.items() if p in read
        )

    def _values(self, models: Sequence[keras.Model]) -> list[list[float]]:
        for model in models:
            if model not in self._owners:
                self._owners[model] = [lifted_hyperparameters.owner_of(model, path) for path in self.paths]
        per_model = [self._owners[m] for m in models]
        return [
            [float(lifted_hyperparameters.value_at(*owners[i])) for owners in per_model]
            for i in range(len(self.paths))
        ]

    def _rows(self, split: Split) -> Rows:
        return self.rows.setdefault(kind(split), Rows())

    def _compile(self, step: Callable[..., Any], rows: Rows) -> Any:
        model, variables, size = self.model, self.variables, self.size
        dense = {"dense": self.dense} if step is functional.training else {}
        examples = dict(zip(self.paths, [v[0] for v in self._values([model])], strict=True))

        def one(slices: tuple) -> list[tf.Tensor]:
            values, numbers, data = slices
            x, y, weight = data
            with lifted_hyperparameters.inside(
                model, dict(zip(self.paths, numbers, strict=True)), examples
            ) as put:
                after = step(model, variables, list(values), x, y, weight, **dense)
            if step is functional.training:
                self._all_read({path for path, number in put if number.read})
            return after

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
                with tensorflow_pfor_private.more_converters():
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
