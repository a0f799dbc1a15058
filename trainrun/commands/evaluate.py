"""`trainrun evaluate RUN [FILE | data.KEY=VALUE …] [--by COLUMN]`: measure a run's model, with intervals and by groups of rows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.artifacts.result_table import measured
from trainrun.commands import _run_table
from trainrun.commands._parser import RUN, Parser
from trainrun.config import named_components
from trainrun.errors import UserError
from trainrun.run.result import RunResult
from trainrun.ui import console
from trainrun.ui.quietly import quietly
from trainrun.util import paths, plain_json

if TYPE_CHECKING:
    from trainrun.run.scores import Score, Scores

# Worst examples that are shown; characters of a file's name; seconds that a tracker is waited for.
SHOWN, LONGEST_NAME, TIMEOUT_S = 5, 100, 10.0


def main(argv: Sequence[str]) -> int:
    """Evaluate."""
    parser = Parser(
        prog="trainrun evaluate",
        description="Loss and every metric of a run, with 95% bootstrap intervals, on its own test part or on a file. Writes "
        "evaluation-….json into the run's directory. Example: trainrun evaluate last new.csv --by region",
    )
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument(
        "file",
        nargs="*",
        metavar="FILE | data.KEY=VALUE",
        help="a CSV, Parquet or Feather file with the columns of training and the target, an .npz file with its arrays, a folder for each "
        "class of images or texts; or what is other in the run's data, such as data.path=new/ (default: the run's test part)",
    )
    parser.add_argument(
        "--by", metavar="COLUMN", help="measure each value of a column, or quarters of its numbers, too"
    )
    parser.add_argument(
        "--against", metavar="RUN", help="compare with another run on the same rows, with paired intervals"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    changed = [word for word in options.file if word.startswith("data.")]
    if len(options.file) > 1 and changed != options.file:
        raise UserError(f"expected one FILE, or overrides data.KEY=VALUE; got {' '.join(options.file)}.")
    if changed and options.against:
        raise UserError("--against takes a FILE, or the runs' own test part; overrides of data have neither.")
    from trainrun.data import table_rows
    from trainrun.run import drift
    from trainrun.sweep import named_run
    from trainrun.tracking.delivery import sync

    run_dir = named_run.run(options.run)
    file = None if changed or not options.file else options.file[0]
    with quietly(options.json):
        other = None if options.against is None else RunResult.read(named_run.run(options.against))
        run = RunResult.read(run_dir)
        scores = (
            _on_other_data(run, options.by, changed) if changed else run.evaluate(file, options.by, other)
        )
    from trainrun.run import weights_overview  # by now TensorFlow is loaded

    if (note := weights_overview.before_rounding(run.config)) is not None:
        console.note(note)
    content = plain_json.text(scores.plain())
    name = Path(file).stem if file is not None else "_".join(changed) if changed else scores.source
    name = name.translate(dict.fromkeys(map(ord, "/*?"), "_"))[:LONGEST_NAME]
    record = run_dir / f"evaluation-{name}.json"
    with paths.whole(record) as new:
        new.write_text(content + "\n", encoding="utf-8")
    if (sent := sync.add_file(run_dir, record, TIMEOUT_S)).unsent:
        console.warn(sent.text)
    table_rows.warn(scores.unknown, scores.missing)
    if (shifted := drift.warning(scores.drift)) is not None:
        console.warn(shifted)
    if scores.in_training:
        of_all = f"{scores.in_training:,} of the {scores.rows:,} rows"
        console.warn(
            f"{of_all} have the same features and target as a training row, so the metrics are too good."
        )
    elif file is not None and _is_own(run, file):
        console.warn(
            "this is the run's data.path: without FILE, rows that the model was not trained on are measured."
        )
    if scores.left_out:
        console.warn(f"{scores.left_out:,} rows left out: they have no target, or no prediction.")
    if options.json:
        console.say(content)
        return 0
    where = scores.source if options.file else f"{scores.source} part"
    drawn = f"intervals of 95% by {scores.resamples:,} bootstrap resamples"
    console.say(
        f"{where}: {scores.rows:,} rows; {drawn if scores.resamples else 'no intervals, batches are measured as a whole'}"
    )
    for output, value in scores.thresholds.items():
        of_output = f" of {output}" if output else ""
        console.say(
            f"decision threshold{of_output} {value:.4g}: metrics ending in _at_threshold are at it, others at 0.5"
        )
    rows = [[name, measured(s.value), _interval(s)] for name, s in scores.metrics.items()]
    console.table("", ["metric", "value", "interval"], rows)
    if scores.differences:
        console.say()
        rows = [[name, f"{s.value:+.4g}", _interval(s), _clear(s)] for name, s in scores.differences.items()]
        console.table(f"minus {scores.against}", ["metric", "difference", "paired interval", ""], rows)
    if scores.slices:
        _show_slices(scores)
    if scores.worst:
        _show_worst(scores, bool(options.file))
    console.say(f"written: {record}")
    return 0


def _is_own(run: RunResult, file: str) -> bool:
    """Return whether a file or folder is the one that a run was trained on."""
    own, path = run.config["data"].get("path"), Path(file).resolve()
    with run.workplace():
        return isinstance(own, str) and paths.expanded(own).resolve() == path


def _on_other_data(run: RunResult, by: str | None, changed: Sequence[str]) -> Scores:
    """Evaluate a run's model on its data with other settings."""
    from trainrun.hydra_bridge import saved_config

    is_elsewhere = any(text.startswith("data.path=") for text in changed)
    if not is_elsewhere:
        console.warn("without another data.path the rows may be some that the model was trained on.")
    saved_model = run.saved
    from trainrun.run import embedding_scores, evaluated, other_data

    if named_components.gives_vectors(run.config):
        embedding_scores.refuse(data=changed)
    # A path that is typed counts from here, one that was recorded from where the run began.
    with contextlib.nullcontext() if is_elsewhere else run.workplace():
        config = saved_config.with_data(run.run_dir.absolute(), changed)
        data = other_data.of_config(config, saved_model.fitted, str(run.run_dir))
        return evaluated.on_other_data(saved_model, config, run.run_dir, data, by, " ".join(changed))


def _show_slices(scores: Scores) -> None:
    """Print the metrics of the slices in one table, or in a terminal that is too narrow in one for each metric."""
    console.say()
    names = list(scores.metrics)
    columns = [scores.by, "rows", *names]
    rows = [
        [s.name, f"{s.rows:,}", *(f"{measured(m.value)} ({_interval(m)})" for m in map(s.metrics.get, names))]
        for s in scores.slices
    ]
    if _run_table.fits(columns, rows):
        console.table("", columns, rows)
        return
    for i, name in enumerate(names):
        if i:
            console.say()
        rows = [
            [s.name, f"{s.rows:,}", measured(s.metrics[name].value), _interval(s.metrics[name])]
            for s in scores.slices
        ]
        console.table("", [scores.by, "rows", name, "interval"], rows)


def _show_worst(scores: Scores, of_file: bool) -> None:
    """Print the worst examples; their values below each, where the terminal is too narrow for a column each."""
    console.say()
    console.say("worst examples", "bold")
    # As in the report, examples of a part count from 0; rows of a file from 1.
    head = ["row" if of_file else "example", "true", "predicted", "error"]
    names = list(scores.worst[0]["values"])
    values = [[_text(v) for v in w["values"].values()] for w in scores.worst[:SHOWN]]
    rows = [
        [f"{w['place'] + of_file:,}", *map(_text, (w["true"], w["predicted"], w["error"]))]
        for w in scores.worst[:SHOWN]
    ]
    whole = [[*row, *of_row] for row, of_row in zip(rows, values, strict=True)]
    if _run_table.fits([*head, *names], whole):
        console.table("", [*head, *names], whole)
        return
    pairs = [", ".join(f"{n} {v}" for n, v in zip(names, of_row, strict=True)) for of_row in values]
    merged = [[*row, of_row] for row, of_row in zip(rows, pairs, strict=True)]
    _run_table.show([*head, "values"], merged, below=["values"])


def _interval(score: Score) -> str:
    return "" if math.isnan(score.low) else f"{measured(score.low)} to {measured(score.high)}"


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def _clear(difference: Score) -> str:
    """Return whether a difference is more than the choice of the rows may explain."""
    return "no clear difference" if difference.low <= 0 <= difference.high else "differs"
