"""What was understood of a dataset, as lines before training, and as plain values for journal, report and trackers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trainrun.data._columns import shortened
from trainrun.errors import listed

if TYPE_CHECKING:
    from trainrun.data.dataset import Dataset

TASKS = {
    "binary": "binary classification",
    "multiclass": "classification",
    "multilabel": "multi-label classification",
    "real": "regression",
    "none": "minimization",
    "named": "several outputs",
}
# Classes and columns of a kind that a line names, and that the record holds.
NAMED, RECORDED = 8, 100
# Characters of a tag; MLflow's servers before 2.12 refuse longer ones.
TAG_LENGTH = 5000


def of(data: Dataset) -> dict[str, Any]:
    """Return the overview of a dataset, plain values only.

    Args:
        data: as loaded.

    Returns:
        `name`, `task`, `target` (the column, or None), `examples`, `parts`, `validation_sets` (name -> examples), `split` (in words, or None), `classes`
        (class -> examples, the first 100), `number_of_classes`, `positive` (of two classes), `range` (of a real target: least, mean and
        largest value), `outputs` (of several: name -> its `task`, `classes` and the like, or `range`), `columns` (kind -> names, the first 100), `number_of_columns` (kind -> how many), `inputs` (kind and shape),
        `imputed` (column -> missing values and what stands for them), `indicators`, `empty` (columns without any value, the first 100), `left_out` (rows), `notices` (sentences) and
        `digests` (column -> digest of its values).
    """
    splits = data.parts
    target, inferred = data.target, data.inferred
    overview: dict[str, Any] = {
        "name": data.name,
        "task": "segmentation" if data.task == "segmentation" else TASKS[target.kind],
        "target": inferred.get("target"),
        "examples": sum(map(len, splits.values())),
        "parts": {part: len(split) for part, split in splits.items()},
        "validation_sets": {name: len(split) for name, split in data.validation_sets.items()},
        "split": inferred.get("split"),
    }
    if target.named:
        overview["outputs"] = {
            name: {
                "task": TASKS[one.target.kind],
                "target": name,
                "examples": overview["examples"],
                **_labels(one),
            }
            for name, one in data.each().items()
        }
    else:
        overview |= _labels(data)
    columns = inferred.get("columns") or {}
    overview["columns"] = {kind: list(names)[:RECORDED] for kind, names in columns.items() if names}
    overview["number_of_columns"] = {kind: len(names) for kind, names in columns.items() if names}
    overview["inputs"] = [{"kind": spec.kind, "shape": list(spec.shape)} for spec in data.inputs]
    imputed = inferred.get("imputed") or {}
    overview["imputed"] = dict(list(imputed.items())[:RECORDED])
    overview["indicators"] = bool(inferred.get("indicators"))
    overview["empty"] = list(inferred.get("empty", ()))[:RECORDED]
    overview["left_out"] = inferred.get("left_out", 0)
    overview["notices"] = list(inferred.get("notices", ()))
    overview["digests"] = dict(inferred.get("digests") or {})
    return overview


def _labels(data: Dataset) -> dict[str, Any]:
    """Return the classes, or the range, of a target."""
    import numpy as np

    target, labels, found = data.target, [split.y for split in data.parts.values()], {}
    if target.classes:
        found["number_of_classes"] = len(target.classes)
        if target.kind == "multilabel":
            counts = sum(y.sum(axis=0) for y in labels)
        else:
            counts = sum(np.bincount(y[y >= 0], minlength=max(len(target.classes), 2)) for y in labels)
        named = zip(target.classes, np.asarray(counts).tolist(), strict=False)
        found["classes"] = {name: int(count) for name, count in list(named)[:RECORDED]}
        # Of all classes, of which only the first are listed: the labels, and those of the rarest and of the most frequent class.
        found["labels"] = [int(np.sum(counts)), int(np.min(counts)), int(np.max(counts))]
        if target.kind == "binary":
            found["positive"] = target.classes[1]
    elif target.kind == "real":
        values = np.concatenate([y.ravel() for y in labels])
        found["range"] = [float(values.min()), float(values.mean()), float(values.max())]
    return found


def lines(overview: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that are printed before training.

    Args:
        overview: as `of` returns it.
    """
    if overview["task"] == TASKS["none"]:
        return
    parts = ", ".join(f"{part} {count:,}" for part, count in overview["parts"].items())
    split = f"; {overview['split']}" if overview["split"] else ""
    target = f" of {overview['target']}" if overview["target"] else ""
    yield f"data: {overview['name']}, {overview['examples']:,} examples ({parts}{split}); {overview['task']}{target}"
    if sets := overview.get("validation_sets"):
        yield f"further validation sets: {', '.join(f'{name} {count:,}' for name, count in sets.items())}"
    yield from _label_lines(overview)
    for name, output in overview.get("outputs", {}).items():
        # Of arrays, no setting says which class is positive.
        shown = output if overview["target"] else {**output, "target": None}
        yield from (f"output {name}: {output['task']}; {line}" for line in _label_lines(shown, name))
    if overview["columns"]:
        counts = overview["number_of_columns"]
        kinds = (
            f"{kind} ({listed(names, NAMED, counts[kind])})" for kind, names in overview["columns"].items()
        )
        yield f"columns: {', '.join(kinds)}"
    if overview["imputed"]:
        more = ", and an indicator column for each" if overview["indicators"] else ""
        yield f"missing values imputed: {_imputed(overview)}{more}"
    if empty := overview.get("empty"):
        yield f"columns left out: {listed(empty, NAMED)} (no row has a value)"
    if overview["left_out"]:
        yield f"rows left out: {overview['left_out']:,} (a missing target, item, weight, group, time or part, or data.missing=drop)"


def _label_lines(overview: Mapping[str, Any], output: str = "") -> Iterator[str]:
    if overview.get("classes"):
        yield f"classes: {_classes(overview)}"
        yield from _frequent_positive(overview, output)
    if overview.get("range"):
        low, mean, high = overview["range"]
        yield f"target: {low:.6g} to {high:.6g}, mean {mean:.6g}"


def tags(overview: Mapping[str, Any]) -> dict[str, str]:
    """Return what a run is found by in a tracker: tag -> value."""
    tags = {
        "data.task": overview["task"],
        "data.target": overview["target"],
        "data.examples": str(overview["examples"]),
        "data.split": overview["split"],
        "data.classes": _classes(overview) if overview.get("classes") else None,
        "data.positive_class": overview.get("positive"),
        "data.columns": ", ".join(
            f"{kind}: {count}" for kind, count in overview["number_of_columns"].items()
        ),
        "data.imputed": _imputed(overview),
        "data.rows_left_out": str(overview["left_out"] or ""),
        "data.notices": "\n".join(overview["notices"])[:TAG_LENGTH],
    }
    return {name: value for name, value in tags.items() if value}


def _imputed(overview: Mapping[str, Any]) -> str:
    """Return the columns with missing values: how many, and what stands for them."""
    columns = overview["imputed"].items()
    shown = [f"{name} {column['missing']:,} with {_value(column['value'])}" for name, column in columns]
    return listed(shown, NAMED)


def _classes(overview: Mapping[str, Any]) -> str:
    """Return the classes with their shares of the examples."""
    classes = overview["classes"]
    labels, rarest, most = overview["labels"]
    # An example may have several labels, or none.
    several = overview["task"] == TASKS["multilabel"]
    total = max(overview["examples"] if several else labels, 1)
    positive = overview.get("positive")
    if overview["number_of_classes"] > NAMED:
        return f"{overview['number_of_classes']:,}, each {_share(rarest / total)} to {_share(most / total)} of the examples"
    return ", ".join(
        f"{shortened(name)} {count / total:.1%}{' (positive)' if name == positive else ''}"
        for name, count in classes.items()
    )


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else f"{100 * share:.2g}%"


def _frequent_positive(overview: Mapping[str, Any], output: str) -> Iterator[str]:
    """Yield a line if the positive class of a table is the more frequent one."""
    counts, positive = list(overview["classes"].values()), overview.get("positive")
    if positive is not None and overview["target"] and counts[1] > counts[0]:
        other = shortened(next(iter(overview["classes"])))
        setting = f"{{{output}: {other}}}" if output else other
        yield (
            f"positive class: {shortened(positive)!r}, the more frequent one; precision, recall and AUC are about it "
            f"(data.positive={setting}: about the other)"
        )


def _value(value: Any) -> str:
    if value == "":
        return "an empty text"
    return f"{value:.6g}" if isinstance(value, float) else repr(shortened(str(value)))
