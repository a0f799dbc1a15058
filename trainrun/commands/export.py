"""`trainrun export RUN --format FORMAT [-o OUT]`: write a run's model for another runtime and compare the two."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainrun.artifacts.result_table import measured
from trainrun.commands import _json
from trainrun.commands._parser import RUN, Parser, number
from trainrun.model import export_formats
from trainrun.ui import console
from trainrun.ui.quietly import quietly
from trainrun.util.interrupt import StopRequest

# Bytes of a kilobyte, as sizes are shown.
KB = 1000


def main(argv: Sequence[str]) -> int:
    """Export."""
    quantized = ", ".join(dict.fromkeys(q for f in export_formats.FORMATS.values() for q in f.quantize))
    parser = Parser(
        prog="trainrun export",
        description="Write a run's model for another runtime, and compare both on rows of the test part: greatest difference, "
        "objective, size, latency. Nothing is kept if they differ by more than a bound. Example: trainrun export last --format onnx",
    )
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument("--format", required=True, help=", ".join(export_formats.FORMATS))
    parser.add_argument(
        "--quantize", metavar="TYPE", help=f"of the weights: {quantized}, as the format has it"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="the folder (default: export-FORMAT in the run's directory)"
    )
    bounds = ", ".join(
        f"{'of ' if q else ''}{q or ''} {b:g}".strip() for q, b in export_formats.BOUNDS.items()
    )
    parser.add_argument(
        "--bound",
        type=number(float, lambda value: 0 < value < math.inf, "a positive number"),
        help=f"greatest difference of probabilities, or of numbers in standard deviations (default: {bounds})",
    )
    parser.add_argument(
        "--rows",
        type=number(int, lambda value: value >= 1, "a positive integer"),
        help="rows to compare, at most (default: 1000)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    export_formats.find(options.format, options.quantize)
    from trainrun.run.result import RunResult
    from trainrun.sweep import named_run

    run_dir = named_run.run(options.run)
    with quietly(options.json), StopRequest().on_signals():  # a signal leaves no unfinished folder behind
        exported = RunResult.read(run_dir).export(
            options.format, options.quantize, options.output, options.bound, options.rows
        )
    if options.json:
        _json.show(exported.plain())
        return 0
    if not exported.raw_rows:
        console.warn(
            f"{exported.format} lacks the operations that encode raw rows: this model takes preprocessed arrays. preprocessing.json "
            "beside it says how they are made."
        )
    if exported.worse:
        console.warn(
            f"{exported.metric} is worse than the original's by more than its 95% bootstrap interval "
            f"({measured(exported.before.low)} to {measured(exported.before.high)})."
        )
    rows = [
        ["size", f"{exported.size_before / KB:,.0f} kB", f"{exported.size / KB:,.0f} kB"],
        ["one row", f"{exported.latency_before_ms:.2f} ms", f"{exported.latency_ms:.2f} ms"],
    ]
    if exported.metric is not None:
        rows.insert(0, [exported.metric, measured(exported.before.value), measured(exported.after)])
    console.table("", ["", "model.keras", exported.title], rows)
    takes = "raw rows" if exported.raw_rows else "preprocessed arrays"
    named = ", ".join(f"{name} {i['dtype']}" for name, i in exported.inputs.items())
    console.say(f"takes {takes}: {named}")
    console.say(
        f"greatest difference {exported.difference:.2g} {exported.unit} on {exported.examples:,} rows of the {exported.part} part"
    )
    console.say(f"written: {exported.folder}/{exported.file}")
    return 0
