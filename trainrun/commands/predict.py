"""`trainrun predict RUN INPUT [-o OUT]`: predict the rows of a table by a run's model."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from trainrun.commands._parser import RUN, Parser, number
from trainrun.errors import UserError
from trainrun.ui import console, streams
from trainrun.ui.quietly import quietly
from trainrun.util.interrupt import StopRequest

TOP = number(int, lambda value: value >= 1, "a number of classes of at least 1, or all")


def main(argv: Sequence[str]) -> int:
    """Predict."""
    parser = Parser(
        prog="trainrun predict",
        description="Predict class names and probabilities, or numbers in their unit, for raw rows. "
        "Example: trainrun predict last new.csv -o predictions.csv --keep id",
    )
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a CSV, Parquet or Feather file with the columns of training, an .npz file with its arrays, or a folder of images or texts; "
        "-: stdin",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="a .csv, .parquet or .feather file (default: CSV on stdout); of masks a folder or an .npz file",
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="carry a column or array through, such as an id; of a folder, file, the path, is; repeatable",
    )
    parser.add_argument(
        "--intervals",
        type=float,
        metavar="LEVEL",
        help="add low and high, or of classes a set, that hold the true value with this probability, such as 0.9; calibrated on the "
        "run's validation part",
    )
    parser.add_argument(
        "--top",
        type=lambda text: text if text == "all" else TOP(text),
        metavar="K",
        help="write the K most probable classes of each row, or all; default: all of up to 1,000 classes, 5 of more",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object about the file; needs -o")
    options = parser.parse_args(argv)
    if options.json and options.output is None:
        raise UserError("--json needs -o OUT: standard output has the predictions otherwise.")
    from trainrun.after import predict
    from trainrun.data import table_rows
    from trainrun.run.result import RunResult
    from trainrun.sweep import named_run

    run_dir = named_run.run(options.run)
    output = None if options.output is None else Path(options.output)
    write = console.say if console.is_terminal() else streams.write_data
    # A signal leaves no unfinished file behind.
    with quietly(options.json), StopRequest().on_signals(), contextlib.ExitStack() as stack:
        path = options.input
        if path == predict.STDIN:
            path = stack.enter_context(predict.spooled(sys.stdin.buffer))
        keep = list(dict.fromkeys(options.keep))
        predicted = predict.predict(run_dir, path, output, keep, write, options.intervals, options.top)
    table_rows.warn(predicted.unknown, predicted.missing)
    if predicted.unpredicted:
        console.warn(
            f"{predicted.unpredicted:,} of {predicted.rows:,} rows have no prediction: {predicted.reason}."
        )
    if options.json:
        console.say(json.dumps(predicted.plain(), ensure_ascii=False))
    elif output is not None:
        console.say(f"{predicted.rows:,} rows predicted: {output}")
    from trainrun.run import weights_overview  # by now TensorFlow is loaded

    if (note := weights_overview.before_rounding(RunResult.read(run_dir).config)) is not None:
        console.note(note)
    return 0
