"""`Dataset`, the result of a data component: arrays and their meaning. Imports numpy only, so that `check` may use it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainrun.data.lazy_array import RowsOnDemand, View, blocks

if TYPE_CHECKING:
    import numpy as np


InputKind = Literal["numeric", "image", "categorical", "tokens"]
TargetKind = Literal["binary", "multiclass", "multilabel", "real", "none", "named"]
Task = Literal["classification", "regression", "segmentation", "minimization", "multi_output"]


@dataclass(frozen=True)
class InputSpec:
    """One input of the model.

    Args:
        name: the key in `Split.x` when there are several inputs.
        kind: ``numeric`` `[d]` or `[steps, d]` float32; ``image`` `[height, width, channels]` float32;
            ``categorical`` `[columns]` int32 codes; ``tokens`` `[length]` int32 ids.
        shape: one example's shape, without the batch axis.
        cardinalities: ``categorical``: the number of values of each column; ``tokens``: `(vocabulary,)`.
    """

    name: str
    kind: InputKind
    shape: tuple[int, ...]
    cardinalities: tuple[int, ...] = ()

    @property
    def dtype(self) -> str:
        return "float32" if self.kind in ("numeric", "image") else "int32"


@dataclass(frozen=True)
class TargetSpec:
    """The target of the model.

    Args:
        kind: ``binary`` and ``multiclass`` labels are class ids (int64, shape `[batch, *shape]`);
            ``multilabel`` is 0/1 float32 `[batch, classes]`; ``real`` is float64 `[batch, outputs]`;
            ``none`` is a placeholder for tasks whose loss uses the model's output only; ``named``: several outputs, each with a
            target of its own.
        classes: the classes' names, in the order of their ids; empty for ``real`` and ``none``.
        outputs: the number of units of the model's head (binary 1, multiclass the number of classes).
        shape: the shape over which a label repeats, `(height, width)` for segmentation, else `()`.
        named: of ``named``: output -> its target, in the order of the config; else empty.
        threshold: of ``binary``: the probability above which the positive class is predicted.
        threshold_interval: its 95% interval, of a threshold that a criterion has chosen; else empty.
    """

    kind: TargetKind
    classes: tuple[str, ...] = ()
    outputs: int = 1
    shape: tuple[int, ...] = ()
    named: Mapping[str, TargetSpec] = field(default_factory=dict, hash=False)
    threshold: float = 0.5
    threshold_interval: tuple[float, ...] = ()

    @property
    def task(self) -> Task:
        """What it is to predict the target."""
        tasks: Mapping[str, Task] = {"real": "regression", "none": "minimization", "named": "multi_output"}
        return "segmentation" if self.shape else tasks.get(self.kind, "classification")

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, or their ids as texts where they have none."""
        return self.classes or tuple(map(str, range(max(self.outputs, 2))))

    @property
    def dtype(self) -> str:
        """The type of the labels; real targets stay float64: float32 would round what is left after the mean is taken off."""
        return {"real": "float64", "none": "float32", "multilabel": "float32"}.get(self.kind, "int64")


@dataclass(frozen=True)
class Split:
    """Examples: `x` an array, or a dict of arrays by input name; `y` labels, a dict by output name if there are several; `weight` one per
    example or None, of a job with several outputs a dict by output name. Where a job's model takes steps of its own on unlabeled
    examples, `y` is None.

    A large input is a `View`: it has an array's shape, dtype, length and indexing, and makes the examples on access.
    """

    x: np.ndarray | View | dict[str, np.ndarray | View]
    y: np.ndarray | dict[str, np.ndarray] | None
    weight: np.ndarray | dict[str, np.ndarray] | None = None

    def __len__(self) -> int:
        held = self.x if self.y is None else self.y
        return len(next(iter(held.values())) if isinstance(held, dict) else held)

    def take(self, index: np.ndarray) -> Split:
        """Return the examples at `index`, in that order, as arrays."""
        return self._each(lambda array: array[index])

    def part(self, index: np.ndarray | slice) -> Split:
        """Return the examples at `index`, in that order; views stay views."""

        def cut(array: np.ndarray | View) -> np.ndarray | View:
            return array.part(index) if isinstance(array, View) else array[index]

        return self._each(cut)

    def output(self, name: str) -> Split:
        """Return the examples with the labels and weights of one of several outputs."""
        weight = self.weight[name] if isinstance(self.weight, dict) else self.weight
        return Split(self.x, self.y[name], weight)

    def _each(self, change: Callable[[np.ndarray | View], np.ndarray | View]) -> Split:
        """Return the examples with each array changed."""

        def changed(arrays: Any) -> Any:
            if isinstance(arrays, dict):
                return {name: change(array) for name, array in arrays.items()}
            return None if arrays is None else change(arrays)

        return Split(changed(self.x), changed(self.y), changed(self.weight))

    def arrays(self) -> Iterator[np.ndarray | View]:
        """Yield every array held, in a fixed order."""
        for held in (self.x, self.y, self.weight):
            if held is not None:
                yield from (held[k] for k in sorted(held)) if isinstance(held, dict) else (held,)


@dataclass(frozen=True)
class Dataset:
    """A dataset, split, with the meaning of its inputs and of its target.

    Args:
        name: for tables, titles and trackers.
        task: selects the default loss, metrics and plots.
        inputs: one `InputSpec` per input.
        target: see `TargetSpec`.
        train, validation, test: the splits; validation or test may be None.
        features: names of the numeric columns, if any.
        preprocessing: values fitted on the training set and applied to all (for the record and for
            prediction on new rows), as plain lists and numbers.
        inferred: what loading has understood of a table, for `overview`: `target`, `split`, `columns` (kind -> names), `imputed`,
            `indicators`, `empty`, `left_out`, `notices`, `digests` (column -> digest of its values). Of items, also `rows` and `files` (part -> of each example
            the row of its table, from 0, and its file; empty: items are no files).
        validation_sets: further validation sets by name.
        soft_targets: outputs of another model, a teacher, for the training part in its order, by output (empty: the only one): logits, or
            real numbers in the target's unit, `[n, …, outputs]`; empty: there is none.
        fold_rows: where the validation part is one of several folds: the table's row of each of its examples, from 0, int64 `[n]`.
    """

    name: str
    task: Task
    inputs: tuple[InputSpec, ...]
    target: TargetSpec
    train: Split
    validation: Split | None = None
    test: Split | None = None
    features: tuple[str, ...] = ()
    preprocessing: dict = field(default_factory=dict)
    inferred: dict = field(default_factory=dict)
    fold_rows: np.ndarray | None = None
    validation_sets: Mapping[str, Split] = field(default_factory=dict)
    soft_targets: Mapping[str, np.ndarray] = field(default_factory=dict)
    PARTS: ClassVar = ("train", "validation", "test")

    @property
    def parts(self) -> dict[str, Split]:
        """The splits that there are: ``train``, ``validation``, ``test``."""
        return {part: split for part in self.PARTS if (split := getattr(self, part)) is not None}

    def held_out(self) -> tuple[str, Split]:
        """Return name and examples of the part to judge a model by: test, else validation, else train."""
        return next((p, self.parts[p]) for p in ("test", "validation", "train") if self.parts.get(p))

    def output(self, name: str) -> Dataset:
        """Return the dataset with one of its several outputs as the target."""
        spec = self.target.named[name]
        record = {k: v for k, v in self.preprocessing.items() if k != "outputs"}
        return replace(
            self,
            task=spec.task,
            target=spec,
            preprocessing={**record, **self.preprocessing.get("outputs", {}).get(name, {})},
            inferred={**self.inferred, "target": name},
            **{part: split.output(name) for part, split in self.parts.items()},
            validation_sets={key: split.output(name) for key, split in self.validation_sets.items()},
        )

    def each(self) -> dict[str, Dataset]:
        """Return the dataset of each output by name; of one target, the dataset itself under an empty name."""
        return {name: self.output(name) for name in self.target.named} or {"": self}

    def description(self) -> Description:
        """Return what `check` reads of a dataset."""
        described = Description.of(self.target, len(self.train), tuple(i.kind for i in self.inputs))
        parts = tuple(name for name, split in self.parts.items() if len(split))
        return replace(described, task=self.task, parts=parts)

    def reduced(self, part: str, index: np.ndarray) -> Dataset:
        """Return the dataset with some examples of a part.

        Args:
            part: ``train``, ``validation`` or ``test``.
            index: of the examples that stay.
        """
        rows = (
            self.fold_rows[index] if part == "validation" and self.fold_rows is not None else self.fold_rows
        )
        return replace(self, fold_rows=rows, **{part: getattr(self, part).part(index)})

    def digest(self) -> str:
        """Return the sha256 of all arrays' dtypes, shapes and bytes; of images that are decoded on demand, of their files' digests."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        import numpy as np

        sha = hashlib.sha256()
        for part in (*self.parts.values(), *self.validation_sets.values()):
            for array in part.arrays():
                sha.update(f"{array.dtype}{array.shape}".encode())
                if isinstance(array, View) and isinstance(array.rows, RowsOnDemand):
                    sha.update(array.rows.content(array.index))
                    continue
                for _, block in blocks(array):
                    sha.update(np.ascontiguousarray(block).data if block.size else b"")
        return sha.hexdigest()


@dataclass(frozen=True)
class Description:
    """What is known of a dataset before it is loaded; None for what only loading reveals.

    A data component's optional `describe(**arguments)` returns it; `check` reads it before TensorFlow loads.

    Args:
        task, target: as in `Dataset` and `TargetSpec.kind`.
        classes: number of classes.
        examples: number of training examples.
        inputs: the kinds of the inputs.
        outputs: the number of predicted values.
        class_names: the classes' names, in the order of their ids; empty: not known, or the ids.
        problems: faults found, as `(argument, message)`; the argument is a key of the data's YAML.
        named: of several outputs: name -> what is known of it.
        parts: those that have examples, of loaded data; no part of what a component describes.
    """

    task: Task | None = None
    target: TargetKind | None = None
    classes: int | None = None
    examples: int | None = None
    inputs: tuple[InputKind, ...] | None = None
    problems: tuple[tuple[str, str], ...] = ()
    outputs: int | None = None
    class_names: tuple[str, ...] = ()
    named: Mapping[str, Description] = field(default_factory=dict, hash=False)
    parts: tuple[str, ...] | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        target: TargetSpec,
        examples: int | None = None,
        inputs: tuple[InputKind, ...] | None = None,
    ) -> Description:
        """Return the description of a dataset whose target is known.

        Args:
            target: of the dataset.
            examples, inputs: as in the class.
        """
        return cls(
            target.task,
            target.kind,
            len(target.classes) or None,
            examples,
            inputs,
            outputs=target.outputs,
            class_names=target.classes,
            named={name: cls.of(of_output, examples, inputs) for name, of_output in target.named.items()},
        )
