"""The report of a recorded run, written again with what takes a while: importance of columns, coefficients, worst examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.after import why
from trainrun.artifacts import report, result_table
from trainrun.artifacts.page import Picture, Section, Table
from trainrun.artifacts.svg_chart import number
from trainrun.config import saved
from trainrun.data import preprocessor
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.model.source_file import MODEL, WEIGHTS
from trainrun.run.result import RunResult
from trainrun.tracking import status, summary
from trainrun.ui import console
from trainrun.util import imports, paths, plain_json

if TYPE_CHECKING:
    from trainrun.artifacts.diagnostics import Diagnostics
    from trainrun.data.dataset import Dataset, Split, TargetSpec
    from trainrun.run.linear_coefficients import Coefficient
    from trainrun.run.permutation_importance import Importance
    from trainrun.run.worst_examples import Worst

SHOWN = 30  # columns of a table
LONG = 40  # characters of a value that is folded


@dataclass
class Explained:
    """What only the model and the data can tell.

    Args:
        diagnostics: of the test part, else of the validation or training part; None: there is no model or no target.
        importance, coefficients, worst: each empty where there are none.
        lacking: why there is no importance, in a sentence.
        columns: whose values `worst` has.
        outputs: of several outputs, name -> these of each; all else is empty.
    """

    diagnostics: Diagnostics | None = None
    importance: list[Importance] = field(default_factory=list)
    lacking: str = ""
    coefficients: list[Coefficient] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    worst: list[Worst] = field(default_factory=list)
    outputs: dict[str, Explained] = field(default_factory=dict)

    def each(self) -> dict[str, Explained]:
        """Return what there is of each output by name; of the only one under an empty name."""
        return self.outputs or {"": self}

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON, without the curves; an undefined number is null."""
        if self.outputs:
            return {"outputs": {name: of_output.plain() for name, of_output in self.outputs.items()}}
        diagnostics = self.diagnostics
        content = {
            "part": diagnostics and diagnostics.part,
            "examples": diagnostics and diagnostics.examples,
            "headline": {f.label: f.value for f in diagnostics.headline} if diagnostics else {},
            "classes": [
                {
                    "name": c.name,
                    "examples": c.examples,
                    "found": c.true_positives,
                    "predicted": c.predicted,
                    "recall": c.recall,
                    "precision": c.precision,
                }
                for c in (diagnostics.classes if diagnostics else ())
            ],
            "importance": [i._asdict() for i in self.importance],
            "importance_lacking": self.lacking or None,
            "coefficients": [c._asdict() for c in self.coefficients],
            "worst": [w.plain(self.columns) for w in self.worst],
        }
        return plain_json.without_nan(content)


def write(run_dir: Path, path: Path | None = None) -> tuple[Path, Explained]:
    """Write the report of a run that has ended; its model is loaded, and its data.

    Args:
        run_dir: the run's directory.
        path: of the page; by default `report.html` in the run's directory.

    Returns:
        The page, and what the model and the data tell.

    Raises:
        UserError: the run has not ended, its data or model cannot be loaded, or the page cannot be written there.
    """
    if path is not None:
        paths.require_output(path)
    content = summary.read_or_empty(run_dir)
    now = status.settle(run_dir)
    if not content or now.status == "RUNNING":
        raise UserError(f"{run_dir} has no {summary.FILE} yet: a report is of a run that has ended.")
    if now.drawing:  # the process in the background was killed, or is still at it
        from trainrun.run import deferred_plots

        deferred_plots.complete(run_dir)
    explained = explain(run_dir)
    try:
        differs = why.differing(run_dir)
    except UserError as error:
        console.warn(str(error))
        differs = None
    try:
        each = explained.each()
        diagnostics = {name: one.diagnostics for name, one in each.items() if one.diagnostics}
        further = [section for name, one in each.items() for section in sections(one, name)]
        page = report.write(run_dir, content, diagnostics, differs, further, path)
        return page, explained
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"the record in {run_dir} is damaged, or was edited: {type(error).__name__}: {error}"
        ) from error


def explain(run_dir: Path) -> Explained:
    """Return what a run's model makes of the test part of its data, or the next part that there is.

    Args:
        run_dir: the run's directory.
    """
    run = RunResult.read(run_dir)
    if not (run_dir / MODEL).is_file():
        return _of_weights(run)
    model = run.saved
    from trainrun.run import evaluated, linear_coefficients, permutation_importance

    linear = (run.config.get("model") or {}).get("name") == "linear"

    def further(name: str, target: TargetSpec, split: Split) -> dict[str, Any]:
        importance = permutation_importance.importance(
            lambda x: model.on_arrays(x)[name] if name else model.on_arrays(x),
            split,
            target,
            model.fitted,
            run.config["seed"],
        )
        return {
            "importance": importance,
            "lacking": permutation_importance.lacking(split, target, model.fitted),
            "coefficients": linear_coefficients.coefficients(model.model, model.fitted, name)
            if linear
            else [],
        }

    return _explained(run.data(), model.fitted, lambda split: evaluated.predicted(model, split), further)


def _explained(
    data: Dataset,
    fitted: Preprocessor,
    predict: Callable[[Split], Any],
    further: Callable[..., dict[str, Any]],
) -> Explained:
    """Return the diagnostics and the worst examples of predictions for the held-out part of the data.

    Args:
        data: of the run.
        fitted: of its model.
        predict: returns the model's output for a split; of several outputs a dict by name.
        further: returns `importance`, `lacking` and `coefficients` of an output, from its name, target and split.
    """
    from trainrun.artifacts.output_diagnostics import of_outputs
    from trainrun.run import worst_examples

    data = replace(data, target=fitted.target)
    if data.target.kind == "none":
        return Explained()
    part, whole = data.held_out()
    predicted = predict(whole)
    diagnostics = of_outputs(data, whole, predicted, part)

    def of_one(name: str, one: Dataset) -> Explained:
        split, output = (whole.output(name), predicted[name]) if name else (whole, predicted)
        more = further(name, one.target, split)
        important = [i.column for i in more.get("importance", ())]
        columns, worst = worst_examples.worst(one, split, output, fitted, important)
        return Explained(diagnostics.get(name), columns=columns, worst=worst, **more)

    each = {name: of_one(name, one) for name, one in data.each().items()}
    return each.get("") or Explained(outputs=each)


def _of_weights(run: RunResult) -> Explained:
    """Return the diagnostics and the worst examples of a run that saved its weights only; of one that saved no model nothing.

    Raises:
        UserError: the run saved no model, but its page, which would lose its diagnostics.
    """
    if not (run.run_dir / WEIGHTS).is_file():
        if (run.run_dir / report.FILE).is_file():
            text = "it has saved no model (artifacts.model), so that a new page would lose its diagnostics. The page stays as it is."
            raise UserError(f"{run.run_dir}: {text}")
        return Explained()
    with imports.collector_paused("tensorflow"), console.hushed():
        from trainrun.run import evaluation, model_files

    run_dir = run.run_dir.absolute()
    with run.workplace():
        job = model_files.job_of_weights(run_dir, saved.load(run_dir))
    fitted = Preprocessor.from_json((run.run_dir / preprocessor.FILE).read_text("utf-8"))
    lacking = {"lacking": f"None: the run saved its weights without {MODEL} (artifacts.model)."}
    return _explained(
        job.dataset, fitted, lambda split: evaluation.predictions(job, split), lambda *_: lacking
    )


def sections(explained: Explained, output: str = "") -> list[Section]:
    """Return the sections of the page on the only output, or on one of several by its name."""
    mark, of = (f"-{output}", f"{output}: ") if output else ("", "")
    classes = [c.name for c in explained.diagnostics.classes] if explained.diagnostics else []
    unit = "log loss" if classes else "absolute error"
    importance = [
        [i.column, number(i.rise), f"{number(i.low)} to {number(i.high)}"]
        for i in explained.importance[:SHOWN]
    ]
    heads = classes if len(classes) > 2 else [classes[1] if classes else "coefficient"]
    weights = [[c.column, *map(number, c.values)] for c in explained.coefficients[:SHOWN]]
    if weights and len(weights[0]) != 1 + len(heads):
        heads = [f"output {i}" for i in range(len(weights[0]) - 1)]
    rows = [
        [
            str(w.place),
            _text(w.true),
            _text(w.predicted),
            result_table.number(w.error),
            *([Picture(w.picture, f"example {w.place}")] if w.picture else ()),
            *map(_text, w.values),
        ]
        for w in explained.worst
    ]
    pictured = ["image"] if any(w.picture for w in explained.worst) else []
    heads_of_worst = ["example", "true", "predicted", unit, *pictured, *explained.columns]
    # A text is folded; other values stand on one line.
    long = [
        i
        for i in range(3, len(heads_of_worst))
        if any(len(str(row[i])) > LONG for row in rows if not isinstance(row[i], Picture))
    ]
    return [
        Section(
            f"importance{mark}",
            f"{of}Importance of the columns",
            lines=[explained.lacking] if explained.lacking else [],
            tables=_table(("column", f"rise of the {unit}", "95% interval"), importance),
            note=""
            if explained.lacking
            else f"By how much the mean {unit} rises if the column's values are shuffled among the examples (of sequences, those "
            f"of all steps). Columns that tell the same stand in for each other.{_more(explained.importance)}",
        ),
        Section(
            f"coefficients{mark}",
            f"{of}Coefficients",
            tables=_table(("column", *heads), weights),
            note="Change of the output (of classes: the log-odds or score; of a standardized target: in its deviations) per standard deviation "
            f"of a number, where the category holds, or of a text of that word alone.{_more(explained.coefficients)}",
        ),
        Section(
            f"worst{mark}",
            f"{of}Worst examples",
            tables=_table(heads_of_worst, rows, texts=(1, 2, *long)),
            note="Numbers of examples count from 0 within the part; columns are the most important ones, with imputed values"
            + ("; of a text the words of the vocabulary alone" if long else "")
            + (
                "; of a sequence its last step."
                if any(c.startswith("last ") for c in explained.columns)
                else "."
            ),
        ),
    ]


def _table(columns: Sequence[str], rows: list[list[str]], texts: Sequence[int] = ()) -> list[Table]:
    return [Table(columns, rows, texts=texts)] if rows else []


def _more(listed: Sequence[Any]) -> str:
    return f" {len(listed) - SHOWN:,} more columns are not shown." if len(listed) > SHOWN else ""


def _text(value: Any) -> str:
    return number(value, 6) if isinstance(value, float) else str(value)
