"""Predictions for a table that came later, in blocks: a file in, a file or lines of CSV out."""

from __future__ import annotations

import contextlib
import glob
import io
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from trainrun.after import predicted_masks, top_classes
from trainrun.data import _open_table, _table_files, table_rows
from trainrun.data._faults import raise_faults
from trainrun.errors import Problem, UserError
from trainrun.model import fitted_record
from trainrun.model.source_file import MODEL
from trainrun.run import conformal, image_blocks, item_blocks
from trainrun.run.result import RunResult
from trainrun.ui import console, counter
from trainrun.util import paths

if TYPE_CHECKING:
    import pyarrow as pa

    from trainrun.data.preprocessor import Preprocessor
    from trainrun.run.saved_model import Predictions

STDIN = "-"
ENDINGS = (".csv", ".parquet", ".feather")


@dataclass
class Predicted:
    """What was predicted.

    Args:
        run: the run's directory.
        output: the file, or None.
        rows: how many.
        unpredicted: rows without a prediction.
        reason: why such a row has none.
        missing: column -> values that are missing, where some are.
        unknown: column -> values that the training part did not have, where some are.
        intervals: level, calibration and coverage of the intervals, where they were asked for.
        top: how many of the classes were written; None: all.
    """

    run: str
    output: str | None
    rows: int = 0
    unpredicted: int = 0
    reason: str = "a number is missing, and training had no value to impute (data.missing)"
    missing: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    intervals: dict[str, Any] | None = None
    top: int | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        without_reason = {k: v for k, v in vars(self).items() if k != "reason"}
        return {**without_reason, "missing": dict(self.missing), "unknown": dict(self.unknown)}

    def add(self, block: Predictions) -> None:
        """Count a block's rows."""
        self.rows += block.rows.count
        self.unpredicted += block.unpredicted
        self.missing.update(block.rows.missing)
        self.unknown.update(block.rows.unknown)


def predict(
    run_dir: Path,
    path: str,
    output: Path | None = None,
    keep: Sequence[str] = (),
    write: Callable[[str], None] | None = None,
    intervals: float | None = None,
    top: int | str | None = None,
) -> Predicted:
    """Predict the rows of a file by a run's model.

    Args:
        run_dir: the run's directory.
        path: a CSV, Parquet or Feather file, an .npz file with the arrays of training, an image, or a folder of images.
        output: the file for the predictions, of one of these kinds; it appears when it is whole. None: `write` gets them. Of masks a
            folder or an .npz file (`predicted_masks`).
        keep: columns or arrays of the file that are carried through; always of a folder's files ``file``, the path, and of a
            time series `data.series` and `data.time`.
        write: takes lines of CSV.
        intervals: the probability with which intervals (of classes sets) hold the true value; see `run.conformal`. None: there are none.
        top: how many of the most probable classes are written, or ``all``; None: see `top_classes`.

    Raises:
        UserError: the run has no model, the file does not fit it, or the run has no intervals.
    """
    fitted = fitted_record.require(run_dir / MODEL)
    if fitted.target.shape:
        predicted_masks.check(output, keep, top)
    elif output is not None and output.suffix not in ENDINGS:
        raise UserError(Problem("output", f"expected a file ending in {', '.join(ENDINGS)}, got {output}."))
    elif output is not None:
        paths.require_output(output)
    if output is not None:
        _require_other(path, output, fitted.table)
    predicted = Predicted(str(run_dir), None if output is None else str(output))
    added = None
    with contextlib.ExitStack() as stack:
        if intervals is not None:
            conformal.refuse(fitted.target, intervals)
        run = RunResult.read(run_dir)
        keep = item_blocks.kept(path, run.config.get("data"), fitted, keep)
        _check(path, run, fitted, keep)
        if item_blocks.takes(path, run.config.get("data"), fitted):
            predicted.reason = item_blocks.without_input(run.config["data"])
        if fitted.target.shape:
            blocks = run.saved.blocks_of_file(path, keep)
            predicted_masks.write(_counted(blocks, predicted), output, fitted.target)
            return predicted
        predicted.top = top_classes.count(fitted.target, top)
        # Standard output has the predictions, where they go into no file.
        with contextlib.redirect_stdout(sys.stderr if output is None else sys.stdout):
            if intervals is not None:
                added = conformal.of(run, intervals)
                console.note(added.line())
                predicted.intervals = added.plain()
            if top is None and predicted.top is not None:
                console.note(top_classes.note(fitted.target, predicted.top))
        blocks: Iterator[Predictions] = run.saved.blocks_of_file(path, keep)
        if output is None:
            sink: Any = io.BytesIO()
        else:
            try:
                sink = stack.enter_context(stack.enter_context(paths.whole(output)).open("wb"))
            except OSError as error:
                raise UserError(Problem("output", f"{output} cannot be written: {error}")) from error
        writer = None
        for block in _counted(blocks, predicted):
            table = _table(block, keep, added, predicted.top)
            if writer is None:
                writer = _writer(sink, ".csv" if output is None else output.suffix, table.schema)
            writer.write_table(table)
            if output is None:
                write(sink.getvalue().decode())
                sink.seek(0)
                sink.truncate()
        if writer is not None:
            writer.close()
    return predicted


def _check(path: str, run: RunResult, fitted: Preprocessor, keep: Sequence[str]) -> None:
    """Raise a UserError for the faults of a table's file that show before TensorFlow is loaded."""
    if Path(path).is_dir() or Path(path).suffix == ".npz" or image_blocks.are_images(path, fitted):
        return
    if item_blocks.takes(path, spec := run.config.get("data"), fitted):
        if item_blocks.are_texts(path, spec):
            return
        item_blocks.open_rows(path, spec, fitted, keep, announces=False)
    else:
        raise_faults(table_rows.further_faults(table_rows.open_rows(path, fitted, announces=False), keep))


def _counted(blocks: Iterator[Predictions], predicted: Predicted) -> Iterator[Predictions]:
    """Yield the blocks, counting their rows; with the progress on the terminal unless predictions go there."""
    on_errors = predicted.output is None
    if not on_errors or (console.is_terminal(sys.stderr) and not console.is_terminal()):
        blocks = counter.so_far(blocks, lambda block: block.rows.count, "predicting rows", on_errors)
    for block in blocks:
        predicted.add(block)
        yield block


def _require_other(path: str, output: Path, table: bool) -> None:
    """Refuse to write predictions over what is read (`table`: by a model of tables), and masks into the folder of a table's images."""
    where = paths.expanded(_table_files.local(path))
    read = [where, *(where.glob(f"*{output.suffix}") if table else ())]
    read += [where.parent] if where.is_file() else map(Path, glob.glob(str(where)))
    if output.exists() and any(one.exists() and output.samefile(one) for one in read):
        raise UserError(Problem("output", f"{output} has what is read, which would be lost. Name another."))


@contextlib.contextmanager
def spooled(stream: IO[bytes]) -> Iterator[str]:
    """Yield the path of a temporary file with what a stream has, its ending that of its kind."""
    with tempfile.TemporaryDirectory() as folder:
        start = stream.read(_open_table.LONGEST_MARK)
        path = Path(folder, f"stdin.{_open_table.of_start(start) or 'csv'}")
        with path.open("wb") as file:
            file.write(start)
            shutil.copyfileobj(stream, file)
        yield str(path)


def _table(
    block: Predictions, keep: Sequence[str], added: conformal.Intervals | None, top: int | None
) -> pa.Table:
    """Return the columns that are kept, then the predictions and their intervals; null where there is none."""
    import pyarrow as pa

    columns = {name: block.rows.further.column(name) for name in keep}
    for name, values in columns.items():
        if pa.types.is_dictionary(values.type):  # each block may have another one, of which a file takes one
            columns[name] = values.cast(values.type.value_type)
    further = {} if added is None else added.columns(block.output)
    own = block.columns() if top is None else top_classes.columns(block, top)
    for name, values in {**own, **further}.items():
        if name in columns:
            text = f"the file has a column {name!r}, which is the name of a prediction. Rename it, or leave it out."
            raise UserError(Problem("keep", text))
        numeric = values.dtype.kind == "f"
        columns[name] = pa.array(values, None if numeric else pa.string(), from_pandas=numeric)
    return pa.table(columns)


def _writer(sink: IO[bytes], ending: str, schema: pa.Schema) -> Any:
    import pyarrow as pa

    if ending == ".parquet":
        from pyarrow import parquet

        return parquet.ParquetWriter(sink, schema)
    if ending == ".feather":
        return pa.ipc.new_file(sink, schema)
    from pyarrow import csv

    return csv.CSVWriter(sink, schema, write_options=csv.WriteOptions(quoting_style="needed"))
