"""The model of a run or of a file, with its preprocessing: raw rows in, class names, probabilities and units out.

saved = SavedModel.load(run_dir)                  # or a .keras file
predictions = saved.predict("new.csv")            # or a DataFrame, or arrays by column
predictions.columns()                             # {"prediction": […], "probability_yes": […]}
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data import scoring, table_rows
from trainrun.data._csv_format import CsvFormat
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError
from trainrun.model import fitted_record, front, inspected_file
from trainrun.model.source_file import MODEL
from trainrun.run import array_blocks, image_blocks, item_blocks
from trainrun.util import background

# Rows that are predicted at once: of raw arrays and images, and of a table. The last digits of a prediction may depend on it.
BATCH, BLOCK = 1024, 8192


@dataclass(frozen=True)
class Predictions:
    """A model's output for some rows.

    Args:
        output: probabilities, or real numbers in the target's unit, `[n, outputs]`; NaN where a number is missing that
            nothing fills. Of several outputs, a dict of these by name.
        fitted: the model's preprocessor, with the classes.
        rows: what was read; None for arrays.
    """

    output: np.ndarray | dict[str, np.ndarray]
    fitted: Preprocessor
    rows: table_rows.TableRows | None = None

    @property
    def unpredicted(self) -> int:
        """The number of rows without a prediction."""
        return int(np.isnan(_side_by_side(self.output)).any(axis=1).sum())

    def columns(self) -> dict[str, np.ndarray]:
        """Return named columns: `prediction` (a class name or a number) and `probability_<class>` for each class.

        Of several outputs: `prediction_<output>` and `probability_<output>_<class>`.

        Raises:
            UserError: each pixel has a class.
        """
        target = self.fitted.target
        if any(one.shape for one in (target, *target.named.values())):
            text = "each pixel has a class, which are no columns of a table. Take run.saved.predict(data).output, [images, height, width, classes], or `trainrun predict RUN DATA -o masks/`."
            raise UserError(Problem("data", text))
        return scoring.columns(self.output, asdict(self.fitted.target))


@dataclass(frozen=True)
class SavedModel:
    """A model that trainrun has saved.

    Args:
        model: takes preprocessed arrays and gives probabilities, or real numbers in their unit.
        raw: takes raw rows (`trainrun.model.front`).
        fitted: what leads from one to the other.
        spec: the run's `data`, by which a table of texts or of a time series is read; None: such a table is not understood.
    """

    model: keras.Model
    raw: keras.Model
    fitted: Preprocessor
    spec: Mapping[str, Any] | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str], spec: Mapping[str, Any] | None = None) -> SavedModel:
        """Return the model of a run's directory, or of a .keras file.

        Plug-ins whose layers it contains are loaded already.

        Args:
            path: of the directory or the file.
            spec: as above.

        Raises:
            UserError: there is no such file, or it has no preprocessing: an older trainrun, or Keras alone, has saved it.
        """
        path = Path(path)
        path = path / MODEL if path.is_dir() else path
        fitted = fitted_record.require(path)
        raw = inspected_file.load(path, "model")
        return cls(front.on_arrays(raw), raw, fitted, spec)

    def predict(self, data: Any, **options: Any) -> Predictions:
        """Return predictions for a table, or for raw arrays if the model takes such.

        Args:
            data: the path of a file (`blocks_of_file`), a DataFrame, arrays by name, or the only input's array.
            options: how a CSV file is written, as in `data.csv.csv` (`delimiter`, `decimal` …), by default as that of the training;
                `further`: names of other columns or arrays that are wanted.

        Raises:
            UserError: columns or arrays are lacking, or a value is no number.
        """
        further = options.pop("further", ())
        if item_blocks.takes(data, self.spec, self.fitted):
            return _joined([*self._of_parts(self._of_items(data, further))])
        if self.fitted.table or hasattr(data, "columns"):
            form = CsvFormat.of(options) if options else None
            source = table_rows.open_rows(data, self.fitted, form)
            return self._of_rows(table_rows.read(source, self.fitted, further))
        if isinstance(data, str | os.PathLike):
            return _joined([*self.blocks_of_file(str(data), further)])
        arrays = data if isinstance(data, Mapping) else {self.raw.inputs[0].name: data}
        blocks = array_blocks.of_arrays(
            self.raw, self._compiled_raw, self.fitted, arrays, further, BATCH, self._key
        )
        return _joined([*self._of_parts(blocks)])

    def blocks(self, source: table_rows.TableSource, further: Sequence[str] = ()) -> Iterator[Predictions]:
        """Yield predictions for a table, some rows at a time; see `table_rows.blocks`.

        Args:
            source: of `table_rows.open_rows`.
            further: names of other columns that are wanted.
        """
        for rows in background.one_ahead(table_rows.blocks(source, self.fitted, further)):
            yield self._of_rows(rows)

    def blocks_of_file(self, path: str, further: Sequence[str] = ()) -> Iterator[Predictions]:
        """Yield predictions for a table's file, for the arrays of an .npz file, or for an image, or the images or texts of a folder.

        Args:
            path: of the file or folder.
            further: names of columns or arrays that are wanted, too; of images and of a folder's texts, ``file``.
        """
        if Path(path).suffix == ".npz":
            parts = array_blocks.of_npz(
                self.raw, self._compiled_raw, self.fitted, path, further, BATCH, self._key
            )
        elif image_blocks.are_images(path, self.fitted):
            parts = image_blocks.of_images(self.raw, self._compiled_raw, path, further)
        elif item_blocks.takes(path, self.spec, self.fitted):
            parts = self._of_items(path, further)
        else:
            yield from self.blocks(table_rows.open_rows(path, self.fitted), further)
            return
        yield from self._of_parts(background.one_ahead(parts))

    @property
    def _key(self) -> str | None:
        """The name of the only input's array in the training file."""
        names = (self.spec or {}).get("x")
        names = [names] if isinstance(names, str) else names or []
        return str(names[0]) if len(names) == 1 else None

    def _of_items(self, data: Any, further: Sequence[str]) -> item_blocks.Blocks:
        return item_blocks.of(self.raw, self._compiled_raw, self.fitted, data, self.spec, further, BATCH)

    def _of_parts(self, parts: item_blocks.Blocks) -> Iterator[Predictions]:
        return (Predictions(output, self.fitted, rows) for output, rows in parts)

    def _of_rows(self, rows: table_rows.TableRows) -> Predictions:
        output = self.on_arrays(rows.x)
        arrays = rows.x.values() if isinstance(rows.x, dict) else [rows.x]
        return Predictions(array_blocks.only_complete(output, arrays), self.fitted, rows)

    def on_arrays(self, x: np.ndarray | Mapping[str, np.ndarray]) -> Any:
        """Return the output for preprocessed arrays, as `Split.x` holds them; of several outputs, a dict by name.

        Keras' `predict` makes a dataset and calls Python for each batch, which takes several times as long for a small model.
        """
        count = len(tf.nest.flatten(x)[0])
        rows = tf.nest.map_structure(lambda a: tf.TensorSpec([None, *a.shape[1:]], a.dtype), x)
        # One program for whole blocks and for the last one; it is made once.
        call = self._compiled.get_concrete_function(rows)
        parts = (
            call(tf.nest.map_structure(lambda a, at=at: tf.constant(a[at : at + BLOCK]), x))
            for at in range(0, max(count, 1), BLOCK)
        )
        return tf.nest.map_structure(lambda *of_one: np.concatenate([p.numpy() for p in of_one]), *parts)

    @cached_property
    def _compiled(self) -> Callable[[Any], Any]:
        return tf.function(lambda x: self.model(x, training=False), autograph=False)

    @cached_property
    def _compiled_raw(self) -> Callable[[Any], Any]:
        rows = tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), self.raw.input)
        return tf.function(
            lambda x: self.raw(x, training=False), input_signature=[rows], autograph=False
        ).get_concrete_function()


def _joined(blocks: Sequence[Predictions]) -> Predictions:
    """Return the predictions of blocks of arrays or images as one."""
    import pyarrow as pa

    if not blocks:
        raise UserError(Problem("data", "there are no rows to predict."))
    output = tf.nest.map_structure(lambda *of_one: np.concatenate(of_one), *(b.output for b in blocks))
    further = pa.concat_tables([b.rows.further for b in blocks])
    rows = table_rows.TableRows({}, sum(b.rows.count for b in blocks), {}, {}, further)
    return Predictions(output, blocks[0].fitted, rows)


def _side_by_side(output: np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray:
    arrays = output.values() if isinstance(output, Mapping) else [output]
    return np.concatenate([one.reshape(len(one), -1) for one in arrays], axis=1)
