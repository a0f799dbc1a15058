"""A table read by what was fitted on another one: the same columns, kinds, imputed values, categories, scales and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trainrun.data._columns import MULTILABEL, RARER, shortened
from trainrun.data._faults import Fault
from trainrun.data._notations import Notation
from trainrun.data._table_settings import TableSettings
from trainrun.errors import listed
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.data._table import Table
    from trainrun.data._table_examples import Examples
    from trainrun.data.dataset import TargetSpec
    from trainrun.data.preprocessor import Preprocessor

# How messages name the model whose preprocessing is applied.
ORIGIN = "the saved model"


def with_stored(settings: TableSettings, stored: Preprocessor) -> TableSettings:
    """Return the settings with the columns, their kinds and, unless its target is ``none``, the task of a preprocessor."""
    names = tuple(c.name for c in stored.columns)
    return replace(
        settings,
        features=names,
        inputs=names,
        categorical=[c.name for c in stored.categories],
        numeric=frozenset(c.name for c in stored.columns if c.kind == "number" or c.form is not None),
        text={name: {} for name in stored.of_texts.values()},
        exclude=None,
        decimal=stored.file.decimal,
        thousands=stored.file.thousands,
        task=settings.task if stored.target.kind == "none" else _tasks(stored.target),
        notations={c.name: Notation(c.kind, c.form) for c in stored.columns if c.form is not None},
    )


def _tasks(target: TargetSpec) -> str | dict[str, str]:
    return {name: _task(spec) for name, spec in target.named.items()} or _task(target)


def _task(target: TargetSpec) -> str:
    return {"real": "regression", "multilabel": MULTILABEL}.get(target.kind, "classification")


def header_faults(header: Sequence[str], stored: Preprocessor) -> list[Fault]:
    """Return what a table lacks of the columns that a preprocessor takes."""
    if not stored.table:
        kinds = " and ".join(
            f"{'' if len(stored.inputs) == 1 else f'{s.name}: '}{s.kind} {list(s.shape)}"
            for s in stored.inputs
        )
        of_texts = any("vocabulary" in step for step in stored.steps.values())
        files = "images" if stored.inputs[0].kind == "image" else "texts (.txt)" if of_texts else ""
        or_files = files and f", or a folder of {files}"
        return [
            (
                "path",
                f"{ORIGIN} takes arrays ({kinds}), not the columns of a table. Take an .npz file (data=npz){or_files}.",
            )
        ]
    present = frozenset(header)
    lacking = [c.name for c in stored.columns if c.name not in present]
    if not lacking:
        return []
    message = f"{ORIGIN} was trained on {listed(lacking)}, which the file lacks; it has {listed(header)}. Rename or add the columns."
    return [("path", message)]


def fitted(examples: Examples, stored: Preprocessor, settings: TableSettings) -> tuple[Examples, list[Fault]]:
    """Return the examples with the class ids of a preprocessor, and what does not fit it.

    Args:
        examples: as read from this table.
        stored: the preprocessor.
        settings: of the table.
    """
    if faults := kind_faults(examples.table, stored):
        return examples, faults
    examples, faults = with_labels(examples, stored, settings)
    return examples, [*faults, *gap_faults(examples.table, stored, settings.missing)]


def kind_faults(table: Table, stored: Preprocessor) -> list[Fault]:
    """Return the columns of a table that hold something else than a preprocessor takes."""
    faults: list[Fault] = []
    for column in stored.columns:
        read = table.columns[column.name]
        of_texts = "text" if read.is_text else "category"
        kind = of_texts if read.numbers is None else read.notation.kind if read.notation else "number"
        if kind != column.kind:
            message = f"column {column.name} holds {read.kind}; {ORIGIN} was trained on it as {column.words}."
            faults.append(("path", message))
    return faults


def choice_faults(settings: TableSettings, stored: Preprocessor) -> list[Fault]:
    """Return the columns that a preprocessor takes, and that the settings leave out or predict."""
    names = [c.name for c in stored.columns]
    taken = f"{ORIGIN} was trained on {{}} as an input"
    faults: list[Fault] = []
    if predicted := [name for name in names if name in settings.targets]:
        text = f"{taken.format(listed(predicted))}; it cannot predict it. Train one without that column (data.exclude), or name another target."
        faults.append(("target", text))
    if excluded := [name for name in names if name in (settings.exclude or ())]:
        faults.append(
            ("exclude", f"{taken.format(listed(excluded))}. Take it in, or train a new model without it.")
        )
    if settings.features is not None and (lacking := [n for n in names if n not in settings.features]):
        faults.append(
            ("features", f"{taken.format(listed(lacking))}. Add it, or train a new model without it.")
        )
    return faults


def unknown(examples: Examples, stored: Preprocessor) -> dict[str, int]:
    """Return how many examples have a category that the preprocessor does not know, by column, where some do."""
    import numpy as np

    counts = {}
    for column in stored.categories:
        read, known = examples.table.columns[column.name], frozenset(column.categories)
        strange = [code for code, text in enumerate(read.texts) if text not in known]
        if strange and (count := int(np.isin(read.codes[examples.keep], strange).sum())):
            counts[column.name] = count
    return counts


def warn_of_unknown(examples: Examples, stored: Preprocessor) -> None:
    """Print a warning of categories that the preprocessor does not know."""
    if counts := unknown(examples, stored):
        rows = ", ".join(f"{name} {count:,} of {len(examples.keep):,}" for name, count in counts.items())
        console.warn(
            f"rows with a category that {ORIGIN} does not know: {rows}. To it they are all one unknown category."
        )


def gap_faults(table: Table, stored: Preprocessor, missing: str) -> list[Fault]:
    """Return the columns of numbers whose missing values a preprocessor cannot impute."""
    if missing in ("error", "drop"):
        return []
    return [
        (
            "missing",
            f"column {c.name} misses values, and {ORIGIN} was trained without a value to impute. Try data.missing=drop.",
        )
        for c in stored.columns
        if c.kind not in ("category", "text") and c.fill is None and not table.columns[c.name].known().all()
    ]


def _spelled_as(stored: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """Return classes as a preprocessor spells them: of truth values, CSV files of pandas have True, and typed columns true."""
    spellings = {name.lower(): name for name in stored}
    is_truth = {name.lower() for name in classes} <= spellings.keys() <= {"false", "true"}
    return tuple(spellings[name.lower()] if is_truth else name for name in classes)


def with_labels(
    examples: Examples, stored: Preprocessor, settings: TableSettings
) -> tuple[Examples, list[Fault]]:
    """Return the examples with the class ids of a preprocessor, unless its target is ``none``, or what does not fit.

    Args:
        examples: as read from this table.
        stored: the preprocessor.
        settings: of the table.
    """
    import numpy as np

    if stored.target.kind == "none":
        return examples, []
    if stored.target.named:
        faults, labels = [], {}
        for of_one, one in examples.each(settings):
            of_output = replace(stored, target=stored.target.named[of_one.target])
            coded, wrong = with_labels(one, of_output, of_one)
            faults, labels[of_one.target] = [*faults, *wrong], coded.labels
        return replace(examples, labels=labels, target=stored.target), faults
    target, classes = examples.target, stored.target.classes
    if "real" in (stored.target.kind, target.kind):
        return examples, []  # the model's loader says that its head is another
    target = replace(target, classes=_spelled_as(classes, target.classes))
    if stored.target.kind == "multilabel" and target.classes == classes:
        return examples, []
    strange = [name for name in target.classes if name not in classes]
    if strange:
        message = (
            f"{ORIGIN} knows the classes {shortened(', '.join(map(repr, classes)))}; the column also has "
            f"{shortened(', '.join(map(repr, strange)))}. Leave those rows out, or train a new model."
        )
        return examples, [("target", message)]
    if stored.target.kind == "multilabel":
        labels = np.zeros((len(examples.labels), len(classes)), "float32")
        labels[:, [classes.index(name) for name in target.classes]] = examples.labels
        return replace(examples, labels=labels, target=stored.target), []
    named = settings.positive not in (None, RARER)
    if named and target.classes[1:] != classes[1:]:
        return examples, [
            ("positive", f"the positive class of {ORIGIN} is {classes[1]!r}. Leave data.positive out.")
        ]
    labels = np.array([classes.index(name) for name in target.classes])[examples.labels]
    return replace(examples, labels=labels, target=stored.target), []
